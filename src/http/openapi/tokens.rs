//! Tokens of other programs.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, timeout};
use super::problems::{CHANGE, KEPT};
use super::schema::{between, count, form, input, list, moment, named, object, or_null, text, with, word};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Tokens", "Who may come in beside the main token, and what they may do.");
    doc.schema("Token", object(members()));
    let secret = ("token", form("^[0-9a-f]{64}$"), "the token itself, told this once");
    doc.schema("TokenMade", object(members().into_iter().chain([secret])));
    doc.schema("TokenList", object([("data", list(&named("Token")), "")]));
    let some = with(with(list(&scope()), "minItems", 1), "maxItems", 8);
    doc.schema(
        "NewToken",
        input([
            ("name", text(), "1 to 64 characters, blanks at its ends left out; neither `main` nor `anybody`"),
            ("scopes", some, "no more than your own token has"),
            (
                "expires_in_days?",
                or_null(between(1, 36_500)),
                "after how many days it ends by itself; without it never",
            ),
        ]),
    );
    let shown = json!({
        "id": 1, "name": "reception", "scopes": ["operate"], "created_at": "2026-11-25T04:57:35.364Z",
        "created_by": "main", "expires_at": null,
    });
    let mut made = shown.clone();
    if let Some(members) = made.as_object_mut() {
        members.insert("token".to_owned(), "0123456789abcdef".repeat(4).into());
    }
    doc.get("/api/v1/tokens", "listTokens", "The tokens in force, beside the main one").answers(
        200,
        "All of them.",
        "TokenList",
        json!({ "data": [shown] }),
    );
    doc.post("/api/v1/tokens", "createToken", "Make a token")
        .takes([timeout(SECONDS)])
        .body("NewToken", json!({ "name": "reception", "scopes": ["operate"] }))
        .answers(201, "The token, told this once.", "TokenMade", made)
        .with_header("Location", text(), "where it is revoked")
        .fails(&[KEPT, CHANGE, &[(409, "name_taken"), (422, "invalid_value")]]);
    doc.delete("/api/v1/tokens/{id}", "revokeToken", "Refuse a token from now on")
        .takes([timeout(SECONDS)])
        .answers_nothing(204, "It is refused.")
        .fails(&[KEPT, CHANGE]);
}

fn scope() -> Value {
    word(&["read", "operate", "admin", "biometric"])
}

fn members() -> Vec<super::schema::Member> {
    vec![
        ("id", count(), ""),
        ("name", text(), "who has it"),
        ("scopes", list(&scope()), ""),
        ("created_at", moment(), ""),
        ("created_by", text(), "the name of the token with which it was made"),
        ("expires_at", or_null(moment()), ""),
    ]
}
