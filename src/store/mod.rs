//! What is remembered: the devices of the site, and what was found out about each.

pub mod device;
