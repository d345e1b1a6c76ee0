-- The journal. Moments are milliseconds since 1970 (UTC), `instant` is seconds since 1970, and a time by a device's
-- clock is its packed word, as it came. Texts that are only compared have the collation "C", which no update of
-- the operating system changes.

-- The last sequence number that was given, in the only row. Whoever adds rows raises it in the same transaction,
-- and so holds this row until the commit: numbers come without a gap and in the order of the commits, and whoever
-- has seen one never later meets a new row below it. A sequence would promise neither.
create table zkgate.journal_head (
    id       integer primary key check (id = 1),
    last_seq bigint not null
);
insert into zkgate.journal_head (id, last_seq) values (1, 0);

-- Terminals by serial number, and how far the log of each is in the journal (revision 0: nothing is known of it).
create table zkgate.terminal (
    id             integer  generated always as identity primary key,
    serial_number  text     collate "C" not null unique,
    device_id      text     collate "C" not null,
    newest         bigint,
    revision       bigint   not null default 0,
    pass           bigint   not null default 0,
    stride         integer  not null default 0,
    records        bigint   not null default 0,
    overlap        bigint   not null default 0,
    digest         bytea    not null default '',
    last_seq       bigint   not null default 0,
    sought_seq     bigint   not null default 0,
    sought_records bigint   not null default 0,
    complete       boolean  not null default false,
    verified_at    bigint,
    verified_time  bigint,
    compared_at    bigint,
    device_count   bigint,
    drift          bigint,
    proved_before  bigint
);

-- Every punch once. `person` is what identifies, `user_id` who that is, as far as it is known. Every whole read of a
-- log changes `pass` in each of its rows; half of each page is left free, so that this touches no index.
create table zkgate.punch (
    seq         bigint   primary key,
    terminal    integer  not null,
    time        bigint   not null,
    instant     bigint,
    received_at bigint   not null,
    pass        bigint   not null,
    work_code   bigint,
    ordinal     bigint   not null,
    certainty   smallint not null,
    punch_state smallint not null,
    verify_mode smallint not null,
    source      smallint not null,
    device_id   text     collate "C" not null,
    person      text     collate "C" not null,
    user_id     text     collate "C"
) with (fillfactor = 50);

create unique index punch_identity
    on zkgate.punch (terminal, time, person, punch_state, verify_mode, coalesce(work_code, -1), ordinal);
create index punch_device on zkgate.punch (device_id, seq);
create index punch_user on zkgate.punch (user_id, seq);
create index punch_time on zkgate.punch (time, seq);

-- What the journal cannot have.
create table zkgate.gap (
    id         bigint  generated always as identity primary key,
    terminal   integer not null references zkgate.terminal (id),
    device_id  text    collate "C" not null,
    from_time  bigint,
    to_time    bigint  not null,
    reason     text    not null,
    noticed_at bigint  not null
);

create index gap_device on zkgate.gap (device_id, id);

-- What nobody understood, or what the log has to decide.
create table zkgate.quarantine (
    id            bigint  generated always as identity primary key,
    terminal      integer not null references zkgate.terminal (id),
    device_id     text    collate "C" not null,
    origin        text    not null check (origin in ('live', 'log')),
    stride        integer,
    reason        text    not null,
    raw           bytea   not null,
    noticed_at    bigint  not null,
    tried_version text    not null,
    settled_at    bigint,
    settled_as    text
);

create index quarantine_bytes on zkgate.quarantine (terminal, origin, sha256(raw));
create unique index quarantine_waiting on zkgate.quarantine (terminal, origin, sha256(raw))
    where settled_at is null;

-- What is set for a device's log, as JSON.
create table zkgate.collection_setting (
    device_id text collate "C" primary key,
    settings  text not null
);

-- Who is told what, and how far.
create table zkgate.webhook (
    id               bigint  generated always as identity primary key,
    name             text    not null,
    url              text    not null,
    secret           text    not null,
    filter           text    not null,
    batch            bigint  not null,
    enabled          boolean not null,
    disabled_because text,
    cursor           bigint  not null,
    failures         bigint  not null default 0,
    created_at       bigint  not null,
    updated_at       bigint  not null,
    owner            text,
    lease_until      bigint
);

create table zkgate.webhook_attempt (
    id        bigint  generated always as identity primary key,
    webhook   bigint  not null references zkgate.webhook (id) on delete cascade,
    at        bigint  not null,
    took      bigint  not null,
    first_seq bigint,
    last_seq  bigint,
    count     bigint  not null,
    status    integer,
    error     text
);

create index webhook_attempt_webhook on zkgate.webhook_attempt (webhook, id);
