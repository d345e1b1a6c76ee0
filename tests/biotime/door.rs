//! Whether there is such a door at all, and what it knows.

use crate::rig::{TRANSACTIONS, ask, detail, speaking};
use crate::service::Setup;
use zkgate::http::biotime::ROUTES;

#[test]
fn it_is_closed_unless_it_is_opened() {
    let service = Setup::new().start();
    for route in ROUTES {
        let path = route.path.replace("{id}", "1");
        let answer = ask(&service, route.method, &path, &format!("Bearer {}", service.token));
        answer.problem(404, "unknown_path");
        let answer = ask(&service, route.method, &path, &format!("Token {}", service.token));
        answer.problem(401, "unauthorized");
    }
}

#[test]
fn it_is_read_only_and_answers_head() {
    let service = speaking(Setup::new()).start();
    let header = format!("Token {}", service.token);
    for path in [TRANSACTIONS, "/iclock/api/terminals/", "/iclock/api/devices/", "/iclock/api/transactions"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = ask(&service, method, path, &header);
            assert!(detail(&answer, 405).contains("GET, HEAD"), "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
        let (head, get) = (ask(&service, "HEAD", path, &header), ask(&service, "GET", path, &header));
        assert_eq!((head.status, head.body.len(), get.status), (200, 0, 200), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
    }
    let answer = ask(&service, "GET", "/api-token-auth/", &header);
    assert_eq!((detail(&answer, 405).is_empty(), answer.header("allow")), (false, Some("POST")));
    for path in
        ["/personnel/api/employees/", "/iclock/api/", "/iclock/api/transactions/1/2/", "/iclock/cdata"]
    {
        detail(&ask(&service, "GET", path, &header), 404);
    }
    // The API itself goes on as it was, and knows no other word for its tokens.
    service.get("/nothing").problem(404, "unknown_path");
    ask(&service, "GET", "/devices", &header).problem(401, "unauthorized");
}
