-- What is kept for how long, and what of it nobody else is to read or to wait for.

-- What is overwritten below must not stay readable in the file.
pragma secure_delete = on;

-- Large results stand apart, so that no list has to read past them, and have a room of their own.
create table large_result (
    operation_id integer primary key references operation (id) on delete cascade,
    bytes integer not null,
    -- JSON
    content text not null
) strict;

create index large_result_bytes on large_result (operation_id, bytes);

alter table operation add column result_is_large integer not null default 0;

insert into large_result (operation_id, bytes, content)
select id, octet_length(result), result from operation where octet_length(result) > 1024;

update operation set result = null, result_is_large = 1 where octet_length(result) > 1024;

-- A plain digest of a request tells short passwords to whoever tries them all. From now on `request` is an HMAC under a
-- key that is not in this file, and only there where there is an idempotency key to compare it for.
update operation set request = null;

-- A key belongs to a token, and not to whoever has its name later. The main token's number is 0.
alter table operation add column token_id integer not null default 0;

update operation set token_id = coalesce(
    (select max(id) from token where token.name = operation.token and token.created_at <= operation.created_at),
    (select min(id) from token where token.name = operation.token),
    0
);

drop index operation_key;
create unique index operation_key on operation (token, token_id, idempotency_key) where idempotency_key is not null;

alter table audit add column token_id integer;

-- How many there are of either kind.
create index operation_keyed on operation (id) where idempotency_key is not null;
create index operation_unkeyed on operation (id) where idempotency_key is null;

-- For lists.
create index operation_device on operation (device_id);
create index operation_state on operation (state);

-- The hours that the service has run, and the newest operation at the end of each. What is old is told by them: a
-- calendar may jump ahead and come back.
create table hour (
    number integer primary key autoincrement,
    operation_id integer not null
) strict;

pragma secure_delete = off;
