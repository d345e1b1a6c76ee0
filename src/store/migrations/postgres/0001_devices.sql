-- Devices and what was found out about each.
create table zkgate.device (
    id                   bigint      generated always as identity primary key,
    name                 text        not null check (char_length(name) between 1 and 100),
    ip_address           text        not null,
    port                 bigint      not null check (port between 1 and 65535),
    comm_key             bigint      not null default 0 check (comm_key between 0 and 999999999),
    transport            text        not null default 'auto' check (transport in ('auto', 'tcp', 'udp')),
    mode                 text        not null default 'persistent' check (mode in ('persistent', 'on_demand')),
    timezone             text,
    enabled              boolean     not null default true,
    serial_number        text,
    device_name          text,
    firmware_version     text,
    platform             text,
    mac_address          text,
    fingerprint_version  text,
    face_version         text,
    user_capacity        bigint,
    attendance_capacity  bigint,
    fingerprint_capacity bigint,
    face_capacity        bigint,
    transport_used       text,
    status               text        not null default 'unknown' check (status in ('unknown', 'up', 'down')),
    last_seen            timestamptz,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now()
);

-- Two enabled devices cannot be at one address.
create unique index device_endpoint on zkgate.device (ip_address, port) where enabled;

-- Every gateway on this database hears of a changed definition; observations are not worth a call.
create function zkgate.tell_devices() returns trigger language plpgsql as $$
begin
    notify zkgate_devices;
    return null;
end
$$;

create trigger device_told
    after insert or delete or truncate
        or update of name, ip_address, port, comm_key, transport, mode, timezone, enabled
    on zkgate.device
    for each statement execute function zkgate.tell_devices();
