//! Punches and devices, page by page.

use serde_json::{Value, json};

use crate::rig::{Site, TRANSACTIONS, ask, detail, ids, rows};

#[test]
fn every_punch_is_on_one_page_while_more_come() {
    let site = Site::with(60);
    let mut head = 120;
    let pages = site.pages(&format!("{TRANSACTIONS}?page_size=7"), |number| {
        // A few more, as long as there is somebody to press.
        if number % 2 == 0 && head < 140 {
            head += 1;
            site.punch(head);
        }
    });
    assert!(head > 125, "some came meanwhile");
    let all = rows(&pages);
    assert_eq!(ids(&all), (1..=head as u64).collect::<Vec<_>>());
    for (number, page) in pages.iter().enumerate() {
        let full = page["data"].as_array().unwrap().len() == 7;
        assert!(full || page["next"].is_null(), "only the last page is short");
        assert!(page["count"].as_u64() >= Some(120) && page["msg"] == "" && page["code"] == 0, "{page}");
        let previous = site.path(&page["previous"]);
        let expected = (number > 0).then(|| format!("{TRANSACTIONS}?page_size=7&page={number}"));
        assert_eq!(previous, expected);
    }
    // What stands in a row is what the API's own feed tells.
    for (row, told) in all.iter().zip(site.feed()) {
        let time = told["timestamp"].as_str().unwrap().replace('T', " ");
        let alias = if told["device_id"] == "1" { "Main entrance" } else { "Back door" };
        let state = told["punch_state"].as_u64().unwrap();
        let display = ["Check In", "Check Out", "Break Out", "Break In", "Overtime In", "Overtime Out"];
        let code = told["work_code"].as_u64().map(|code| code.to_string());
        for (name, value) in [
            ("emp_code", told["user_id"].clone()),
            ("punch_time", json!(time)),
            ("punch_state", json!(state.to_string())),
            ("punch_state_display", json!(display[state as usize])),
            ("verify_type", told["verify_mode"].clone()),
            ("work_code", json!(code)),
            ("terminal_sn", told["serial_number"].clone()),
            ("terminal_alias", json!(alias)),
        ] {
            assert_eq!(row[name], value, "{name}: {row} {told}");
        }
        for unknown in [
            "emp",
            "first_name",
            "last_name",
            "department",
            "position",
            "gps_location",
            "area_alias",
            "temperature",
            "is_mask",
        ] {
            assert!(row.get(unknown).is_some_and(Value::is_null), "{unknown}: {row}");
        }
        let upload: jiff::civil::DateTime = row["upload_time"].as_str().unwrap().parse().unwrap();
        assert!(upload.year() >= 2020, "{row}");
    }
}

#[test]
fn pages_can_be_asked_for_by_their_numbers() {
    let site = Site::with(20);
    let feed = site.feed();
    let mut met = Vec::new();
    for number in 1..=6 {
        let page = site.get(&format!("{TRANSACTIONS}?page={number}&limit=7")).json();
        assert_eq!((&page["count"], page["next"].is_null()), (&json!(40), number == 6), "{page}");
        met.extend(page["data"].as_array().unwrap().clone());
    }
    assert_eq!(ids(&met), (1..=40).collect::<Vec<_>>());
    assert_eq!(rows(&[site.get(TRANSACTIONS).json()]).len(), 10, "so many when nothing is said");
    for odd in ["page_size=0", "page_size=-3", "page_size=many", "page_size=", "departments=1&areas=2"] {
        assert_eq!(rows(&[site.get(&format!("{TRANSACTIONS}?{odd}")).json()]).len(), 10, "{odd}");
    }
    assert_eq!(rows(&[site.get(&format!("{TRANSACTIONS}?page_size=100000000")).json()]).len(), 40);
    for beyond in [
        "page=7&page_size=7",
        "page=0",
        "page=-1",
        "page=x",
        "page=1.5",
        "page=18446744073709551616",
        "page=18446744073709551615",
        "after_id=x",
        "after_id=-1",
        "emp_code=nobody&page=2",
        "emp_code=a%20b&page=2",
    ] {
        let answer = site.get(&format!("{TRANSACTIONS}?{beyond}"));
        assert_eq!(detail(&answer, 404), "Invalid page.", "{beyond}");
    }
    let newest = site.pages(&format!("{TRANSACTIONS}?ordering=-upload_time&page_size=9"), |_| ());
    assert_eq!(ids(&rows(&newest)), (1..=40).rev().collect::<Vec<_>>());

    let one = site.get("/iclock/api/transactions/17/");
    assert_eq!((one.status, &one.json()["emp_code"]), (200, &feed[16]["user_id"]));
    assert_eq!(one.json(), met[16]);
    for nobody in ["41", "0", "x", "-1", "18446744073709551616", "9223372036854775808"] {
        let answer = site.get(&format!("/iclock/api/transactions/{nobody}/"));
        assert_eq!(detail(&answer, 404), "Not found.", "{nobody}");
    }
}

#[test]
fn filters_choose_by_person_device_and_time_with_both_ends() {
    let site = Site::with(40);
    let feed = site.feed();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut times: Vec<String> = feed.iter().map(|row| text(row, "timestamp").replace('T', " ")).collect();
    times.sort();
    let (early, late) = (times[20].clone(), times[55].clone());
    let person = text(&feed[3], "user_id");
    let serial = site.device(1).serial_number();
    let escaped = |time: &str| time.replace(' ', "%20");
    let time = |row: &Value| text(row, "timestamp").replace('T', " ");
    type Takes<'t> = Box<dyn Fn(&Value) -> bool + 't>;
    let cases: Vec<(String, Takes<'_>)> = vec![
        (format!("emp_code={person}"), Box::new(|row| row["user_id"] == person.as_str())),
        ("emp_code=nobody".into(), Box::new(|_| false)),
        ("emp_code=a%20b".into(), Box::new(|_| false)),
        ("emp_code=&terminal_sn=".into(), Box::new(|_| true)),
        (format!("terminal_sn={serial}"), Box::new(|row| row["serial_number"] == serial.as_str())),
        ("terminal_sn=none".into(), Box::new(|_| false)),
        ("terminal_alias=Back+door".into(), Box::new(|row| row["device_id"] == "2")),
        ("terminal_alias=Side+door".into(), Box::new(|_| false)),
        (format!("start_time={}", escaped(&early)), Box::new(|row| time(row) >= early)),
        (format!("end_time={}", escaped(&late)), Box::new(|row| time(row) <= late)),
        (
            format!("start_time={}&end_time={}", escaped(&early), late.replace(' ', "T")),
            Box::new(|row| time(row) >= early && time(row) <= late),
        ),
        (
            format!("start_time={}&end_time={}", escaped(&early), escaped(&early)),
            Box::new(|row| time(row) == early),
        ),
        (
            format!("start_time={}&emp_code={person}&terminal_alias=Main%20entrance", escaped(&early)),
            Box::new(|row| {
                time(row) >= early && row["user_id"] == person.as_str() && row["device_id"] == "1"
            }),
        ),
        ("start_time=2099-01-01".into(), Box::new(|_| false)),
        ("start_time=1999-01-01&end_time=2150-01-01%2000:00:00".into(), Box::new(|_| true)),
    ];
    for (query, takes) in cases {
        let expected: Vec<u64> =
            feed.iter().filter(|row| takes(row)).map(|row| row["seq"].as_u64().unwrap()).collect();
        let pages = site.pages(&format!("{TRANSACTIONS}?{query}&page_size=4"), |_| ());
        assert_eq!(ids(&rows(&pages)), expected, "{query}");
        assert!(pages.iter().all(|page| page["count"] == expected.len()), "{query}: {}", pages[0]);
        let mut numbered = Vec::new();
        for number in 1..=expected.len().div_ceil(4).max(1) {
            let page = site.get(&format!("{TRANSACTIONS}?{query}&page_size=4&page={number}"));
            numbered.extend(ids(page.json()["data"].as_array().unwrap()));
        }
        assert_eq!(numbered, expected, "{query} by numbers");
    }
    for (query, name) in [("start_time=yesterday", "start_time"), ("end_time=2026-02-30", "end_time")] {
        let answer = site.get(&format!("{TRANSACTIONS}?{query}"));
        assert_eq!((answer.status, answer.json()), (400, json!({ name: ["Enter a valid date/time."] })));
    }
}

#[test]
fn devices_are_terminals_under_both_names() {
    let site = Site::with(3);
    let serials: Vec<String> = (0..2).map(|number| site.device(number).serial_number()).collect();
    for path in ["/iclock/api/terminals/", "/iclock/api/devices/"] {
        let page = site.get(path).json();
        assert_eq!(
            (&page["count"], &page["next"], &page["code"]),
            (&json!(2), &Value::Null, &json!(0)),
            "{page}"
        );
        let shown = page["data"].as_array().unwrap();
        for (number, name) in ["Main entrance", "Back door"].into_iter().enumerate() {
            let terminal = &shown[number];
            assert_eq!(terminal["id"], number + 1, "{terminal}");
            assert_eq!(terminal["sn"], serials[number].as_str(), "{terminal}");
            assert_eq!((&terminal["alias"], &terminal["state"]), (&json!(name), &json!(1)), "{terminal}");
            assert!(terminal["last_activity"].is_string() && terminal["area"].is_null(), "{terminal}");
            let one = site.get(&format!("{path}{}/", number + 1)).json();
            assert_eq!((&one["sn"], &one["alias"]), (&terminal["sn"], &terminal["alias"]));
        }
        assert_eq!(detail(&site.get(&format!("{path}3/")), 404), "Not found.");
        assert_eq!(detail(&site.get(&format!("{path}?page=2")), 404), "Invalid page.");
        for (query, found) in [
            (format!("sn={}", serials[1]), vec![2]),
            ("alias=Main%20entrance".into(), vec![1]),
            ("alias=main%20entrance".into(), vec![]),
            ("alias_icontains=DOOR".into(), vec![2]),
            ("sn_icontains=sim".into(), vec![1, 2]),
            ("sn_icontains=sim&alias_icontains=main".into(), vec![1]),
        ] {
            assert_eq!(ids(&rows(&[site.get(&format!("{path}?{query}")).json()])), found, "{query}");
        }
    }
    let pages = site.pages("/iclock/api/terminals/?page_size=1", |_| ());
    assert_eq!((pages.len(), ids(&rows(&pages))), (2, vec![1, 2]));
}

#[test]
fn addresses_name_the_host_that_was_asked_and_the_scheme_of_the_proxy() {
    let site = Site::with(6);
    for (headers, expected) in [
        ("Host: hr.example:81\r\n", "http://hr.example:81/iclock/"),
        ("Host: hr.example\r\nX-Forwarded-Proto: https\r\n", "https://hr.example/iclock/"),
        (
            "Host: hr.example\r\nX-Forwarded-Proto: https, http\r\nX-Forwarded-Proto: http\r\n",
            "https://hr.example/",
        ),
        ("Host: hr.example\r\nX-Forwarded-Proto: javascript\r\n", "http://hr.example/iclock/"),
        ("Host: a\"b\r\n", "/iclock/"),
        ("Host:\r\n", "/iclock/"),
    ] {
        let token = &site.service.token;
        let request = format!(
            "GET {TRANSACTIONS}?page_size=5 HTTP/1.1\r\n{headers}Authorization: Token {token}\r\nConnection: close\r\n\r\n"
        );
        let said = site.service.raw(request);
        let body = said.split("\r\n\r\n").nth(1).unwrap_or_else(|| panic!("{headers}: {said}"));
        let page: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}"));
        let next = page["next"].as_str().unwrap();
        assert!(next.starts_with(expected) && next.ends_with("&page=2&after_id=5"), "{headers}: {next}");
    }
    assert_eq!(ask(&site.service, "GET", &format!("{TRANSACTIONS}?timeout=0"), "Token x").status, 401);
}
