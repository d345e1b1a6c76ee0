//! How long a receiver that failed is left alone: exponential, full jitter, and what it asked for itself.

use std::time::{Duration, SystemTime};

use super::settings::DeliverySettings;

/// The wait after so many failures in a row (1 and up). `luck` is from 0 to 1; `asked` is what the receiver wants.
pub(super) fn delay(
    settings: &DeliverySettings,
    failures: u32,
    asked: Option<Duration>,
    luck: f64,
) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let longest = settings.back_off_first.saturating_mul(1 << doublings).min(settings.back_off_cap);
    let own = longest.mul_f64(luck.clamp(0.0, 1.0));
    own.max(asked.unwrap_or_default().min(settings.back_off_cap))
}

/// What `Retry-After` says: seconds, or a date.
pub(super) fn retry_after(value: &str, wall: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    // A date that has passed asks for nothing.
    let ahead = date.timestamp().duration_since(jiff::Timestamp::try_from(wall).ok()?);
    Some(Duration::try_from(ahead).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_cap_and_luck_shortens_it() {
        let settings = DeliverySettings::default();
        let longest = |failures| delay(&settings, failures, None, 1.0).as_secs();
        assert_eq!([1, 2, 3, 4, 9, 10, 1000, u32::MAX].map(longest), [1, 2, 4, 8, 256, 300, 300, 300]);
        assert_eq!(delay(&settings, 4, None, 0.5), Duration::from_secs(4));
        assert_eq!(delay(&settings, 4, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks_within_the_cap() {
        let settings = DeliverySettings::default();
        for (asked, failures, seconds) in [(60, 1, 60), (1, 9, 256), (86_400, 1, 300)] {
            let wait = delay(&settings, failures, Some(Duration::from_secs(asked)), 1.0);
            assert_eq!(wait.as_secs(), seconds, "{asked}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, wall).map(|wait| wait.as_secs()), seconds, "{value:?}");
        }
    }
}
