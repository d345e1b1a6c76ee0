-- What the gateway itself must not forget: who may come in, what was done, and what is under way.
-- Times are milliseconds since 1970.

create table token (
    id integer primary key autoincrement,
    name text not null,
    -- SHA-256 of the token; the token itself is nowhere.
    digest blob not null unique,
    scopes text not null,
    created_at integer not null,
    created_by text not null,
    expires_at integer,
    revoked_at integer
) strict;

create unique index token_name on token (name) where revoked_at is null;

create table operation (
    id integer primary key autoincrement,
    kind text not null,
    device_id text,
    subject text,
    token text not null,
    idempotency_key text,
    -- SHA-256 of the request, so that a key is not taken for another request.
    request blob,
    state text not null,
    created_at integer not null,
    started_at integer,
    finished_at integer,
    deadline integer not null,
    done integer not null default 0,
    total integer not null default 0,
    -- JSON
    result text,
    problem text
) strict;

create unique index operation_key on operation (token, idempotency_key) where idempotency_key is not null;
create index operation_open on operation (state) where finished_at is null;

create table audit (
    seq integer primary key autoincrement,
    at integer not null,
    token text not null,
    action text not null,
    path text,
    device_id text,
    subject text,
    operation_id integer,
    status integer,
    result text not null
) strict;

create index audit_device on audit (device_id, seq);

create trigger audit_is_never_changed before update on audit
begin
    select raise(abort, 'the audit log is append-only');
end;

-- Only what lies further back than anybody is promised gives way.
create trigger audit_is_kept before delete on audit
when old.seq > (select max(seq) from audit) - 500000
begin
    select raise(abort, 'the audit log is append-only');
end;

-- What has to be known of a device besides its record, which may be somebody else's. What is null is as it is for
-- everybody.
create table device_setting (
    device_id text primary key,
    name_encoding text,
    unlock_unit text,
    biometrics integer not null default 0,
    raw_commands integer not null default 0
) strict;
