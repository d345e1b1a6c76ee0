-- Devices and what was found out about each. Times are milliseconds since 1970 (UTC).
create table device (
    id                   integer primary key autoincrement,
    name                 text    not null check (length(name) between 1 and 100),
    ip_address           text    not null,
    port                 integer not null check (port between 1 and 65535),
    comm_key             integer not null check (comm_key between 0 and 999999999),
    transport            text    not null check (transport in ('auto', 'tcp', 'udp')),
    mode                 text    not null check (mode in ('persistent', 'on_demand')),
    timezone             text,
    enabled              integer not null check (enabled in (0, 1)),
    serial_number        text,
    device_name          text,
    firmware_version     text,
    platform             text,
    mac_address          text,
    fingerprint_version  text,
    face_version         text,
    user_capacity        integer,
    attendance_capacity  integer,
    fingerprint_capacity integer,
    face_capacity        integer,
    transport_used       text,
    status               text    not null default 'unknown' check (status in ('unknown', 'up', 'down')),
    last_seen            integer,
    created_at           integer not null,
    updated_at           integer not null
) strict;

-- Two enabled devices cannot be at one address.
create unique index device_endpoint on device (ip_address, port) where enabled = 1;
