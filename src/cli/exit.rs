//! How a run ends, as a number for scripts: one for each class of error.

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As it should.
    Well,
    /// Something failed while it ran.
    Failed,
    /// It was asked for what cannot be: wrong flags, wrong settings, a value that no device takes.
    Misused,
    /// The device cannot be reached, or does not answer.
    Unreachable,
    /// The comm key or the token is wrong.
    Unauthorized,
    /// The device refused, or its model cannot do it.
    Refused,
    /// Nobody knows whether it was done.
    Unknown,
    /// There is no such device, user or thing.
    NotFound,
    /// The device said that it was done, and it is not so.
    Unverified,
    /// The service cannot be reached, or cannot answer now.
    NoService,
}

/// What `--help` says of them.
pub(super) const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  another failure
  2  wrong use: flags, settings, or a value that the device cannot take
  3  the device cannot be reached, or does not answer
  4  authentication: wrong comm key, wrong token
  5  the device refused, or its model cannot do it
  6  outcome unknown: it was said to the device, and no answer came; read back
  7  there is no such device, user, template, message or option
  8  verification failed: the device said that it was done, and it is not so
  9  the service cannot be reached, or cannot answer now";

impl Exit {
    /// The number that the process ends with.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Failed => 1,
            Self::Misused => 2,
            Self::Unreachable => 3,
            Self::Unauthorized => 4,
            Self::Refused => 5,
            Self::Unknown => 6,
            Self::NotFound => 7,
            Self::Unverified => 8,
            Self::NoService => 9,
        }
    }

    /// The class of one of the stable codes that the library and the HTTP API share.
    pub(super) fn of(code: &str) -> Self {
        match code {
            "device_unreachable" | "device_busy" | "device_silent" | "not_a_device" | "connection_lost"
            | "deadline_exceeded" => Self::Unreachable,
            "auth_failed" | "unauthorized" | "scope_needed" => Self::Unauthorized,
            "unsupported_handshake"
            | "unsupported_command"
            | "device_rejected"
            | "no_free_index"
            | "secret_option"
            | "raw_commands_off"
            | "biometrics_off" => Self::Refused,
            "outcome_unknown" | "not_verified" => Self::Unknown,
            "not_found" | "unknown_path" | "unknown_user" | "no_list" => Self::NotFound,
            "not_stored" | "stored_differently" | "still_there" | "cleared_more" => Self::Unverified,
            "overloaded" | "stopping" | "too_many_followers" | "store_unavailable" | "store_busy" => {
                Self::NoService
            }
            "unusable_user_id"
            | "name_not_encodable"
            | "name_too_long"
            | "unusable_password"
            | "unusable_time_zones"
            | "duplicate_user_id"
            | "method_not_allowed"
            | "foreign_network" => Self::Misused,
            code if code.starts_with("invalid_") || code.starts_with("unknown_parameter") => Self::Misused,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_a_class_and_an_unheard_one_is_a_failure() {
        for (code, exit) in [
            ("device_busy", 3),
            ("auth_failed", 4),
            ("unsupported_command", 5),
            ("outcome_unknown", 6),
            ("unknown_user", 7),
            ("still_there", 8),
            ("stopping", 9),
            ("invalid_body", 2),
            ("incomplete_read", 1),
            ("unknown_layout", 1),
            ("what is this", 1),
        ] {
            assert_eq!(Exit::of(code).code(), exit, "{code}");
        }
    }
}
