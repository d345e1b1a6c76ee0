-- The journal. Moments are milliseconds since 1970 (UTC), `instant` is seconds since 1970, and a time by a device's
-- clock is its packed word, as it came.

-- The last sequence number that was given. Numbers are never given again, whatever is deleted.
create table journal_head (
    id       integer primary key check (id = 1),
    last_seq integer not null
) strict;
insert into journal_head (id, last_seq) values (1, 0);

-- Terminals by serial number, and how far the log of each is in the journal (revision 0: nothing is known of it).
create table terminal (
    id             integer primary key,
    serial_number  text    not null unique,
    device_id      text    not null,
    newest         integer,
    revision       integer not null default 0,
    pass           integer not null default 0,
    stride         integer not null default 0,
    records        integer not null default 0,
    overlap        integer not null default 0,
    digest         blob    not null default x'',
    last_seq       integer not null default 0,
    sought_seq     integer not null default 0,
    sought_records integer not null default 0,
    complete       integer not null default 0 check (complete in (0, 1)),
    verified_at    integer,
    verified_time  integer,
    compared_at    integer,
    device_count   integer,
    drift          integer,
    proved_before  integer
) strict;

-- Every punch once. `person` is what identifies, `user_id` who that is, as far as it is known.
create table punch (
    seq         integer primary key,
    terminal    integer not null,
    device_id   text    not null,
    person      text    not null,
    user_id     text,
    time        integer not null,
    instant     integer,
    certainty   integer not null,
    punch_state integer not null,
    verify_mode integer not null,
    work_code   integer,
    ordinal     integer not null,
    pass        integer not null,
    source      integer not null,
    received_at integer not null
) strict;

create unique index punch_identity
    on punch (terminal, time, person, punch_state, verify_mode, coalesce(work_code, -1), ordinal);
-- Each of these ends with the sequence number, as every index here does.
create index punch_device on punch (device_id);
create index punch_user on punch (user_id);
create index punch_time on punch (time);

-- What the journal cannot have.
create table gap (
    id            integer primary key autoincrement,
    terminal      integer not null references terminal (id),
    device_id     text    not null,
    from_time     integer,
    to_time       integer not null,
    reason        text    not null,
    noticed_at    integer not null
) strict;

create index gap_device on gap (device_id);

-- What nobody understood, or what the log has to decide.
create table quarantine (
    id            integer primary key autoincrement,
    terminal      integer not null references terminal (id),
    device_id     text    not null,
    origin        text    not null check (origin in ('live', 'log')),
    stride        integer,
    reason        text    not null,
    raw           blob    not null,
    noticed_at    integer not null,
    tried_version text    not null,
    settled_at    integer,
    settled_as    text
) strict;

create index quarantine_bytes on quarantine (terminal, origin, raw);
create unique index quarantine_waiting on quarantine (terminal, origin, raw) where settled_at is null;

-- What is set for a device's log, as JSON.
create table collection_setting (
    device_id text primary key,
    settings  text not null
) strict;

-- Who is told what, and how far.
create table webhook (
    id               integer primary key autoincrement,
    name             text    not null,
    url              text    not null,
    secret           text    not null,
    filter           text    not null,
    batch            integer not null,
    enabled          integer not null check (enabled in (0, 1)),
    disabled_because text,
    cursor           integer not null,
    failures         integer not null default 0,
    created_at       integer not null,
    updated_at       integer not null,
    owner            text,
    lease_until      integer
) strict;

create table webhook_attempt (
    id        integer primary key autoincrement,
    webhook   integer not null references webhook (id) on delete cascade,
    at        integer not null,
    took      integer not null,
    first_seq integer,
    last_seq  integer,
    count     integer not null,
    status    integer,
    error     text
) strict;

create index webhook_attempt_webhook on webhook_attempt (webhook);

-- Holds something for a moment, to see whether there is room.
create table room (
    id    integer primary key check (id = 1),
    bytes blob    not null
) strict;
