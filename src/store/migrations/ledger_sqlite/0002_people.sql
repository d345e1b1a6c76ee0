-- The people that should be on devices. A list has passwords in it, so its content is sealed.
create table people_list (
    id integer primary key autoincrement,
    put_at integer not null,
    token text not null,
    people integer not null,
    remove_at_most integer not null,
    remove_administrators integer not null,
    content blob not null
) strict;

-- Which list counts for a device, and how the device stood to it when it was last looked at.
create table people_device (
    device_id text primary key,
    list_id integer not null references people_list (id),
    -- Of the device that the list was brought to first.
    serial_number text,
    looked_at integer,
    operation_id integer,
    state text,
    missing integer not null default 0,
    different integer not null default 0,
    extra integer not null default 0,
    failed integer not null default 0,
    problem text
) strict;

create index people_device_list on people_device (list_id);
