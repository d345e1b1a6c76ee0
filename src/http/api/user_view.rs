//! A person as the API shows them. Passwords never leave: only whether there is one.

use serde_json::{Value, json};

use super::rows::{WriteRow, number, string};
use crate::device::users::Written;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::user::{TimeZones, User};

/// A person, and the encoding that their device has for names.
pub(super) struct Shown {
    pub(super) user: User,
    pub(super) encoding: NameEncoding,
}

impl WriteRow for Shown {
    fn write(&self, out: &mut Vec<u8>) {
        let user = &self.user;
        let name = self.encoding.decode(user.name.as_bytes());
        out.extend_from_slice(br#"{"user_id":"#);
        string(&user.user_id.to_text(), out);
        out.extend_from_slice(br#","uid":"#);
        number(user.uid, out);
        out.extend_from_slice(br#","name":"#);
        string(&name.text, out);
        out.extend_from_slice(br#","privilege":"#);
        string(user.privilege.name(), out);
        out.extend_from_slice(br#","privilege_code":"#);
        number(user.privilege.0, out);
        out.extend_from_slice(br#","enabled":"#);
        out.extend_from_slice(if user.privilege.is_disabled() { b"false" } else { b"true" });
        out.extend_from_slice(br#","card_number":"#);
        number(user.card_number, out);
        out.extend_from_slice(br#","group":"#);
        number(user.group, out);
        out.extend_from_slice(br#","has_password":"#);
        out.extend_from_slice(if user.password.expose().is_empty() { b"false" } else { b"true" });
        out.extend_from_slice(br#","time_zones":"#);
        out.extend_from_slice(zones(user.time_zones).to_string().as_bytes());
        // Bytes that are none in the device's encoding are shown with replacement characters, and that is said.
        if !name.exact {
            out.extend_from_slice(br#","name_exact":false"#);
        }
        out.push(b'}');
    }
}

/// One person as a document.
pub(super) fn document(shown: &Shown) -> Vec<u8> {
    let mut out = Vec::new();
    shown.write(&mut out);
    out
}

/// What was done with a person.
pub(super) fn written(user_id: &str, written: Written) -> Value {
    let (done, uid) = match written {
        Written::Created { uid } => ("created", uid),
        Written::Updated { uid } => ("updated", uid),
        Written::Unchanged { uid } => ("unchanged", uid),
        Written::Deleted { uid } => ("deleted", uid),
    };
    json!({ "user_id": user_id, "uid": uid, "written": done })
}

/// Time zones in whichever form.
pub(super) fn zones(zones: TimeZones) -> Value {
    match zones {
        TimeZones::Set(bits) => json!({ "set": bits }),
        TimeZones::List { flag, zones } => json!({ "flag": flag, "zones": zones }),
    }
}
