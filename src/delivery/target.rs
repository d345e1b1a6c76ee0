//! Where a subscription delivers to: a URL that can be one, and how it is shown where a token in it must not be.

use std::fmt;
use std::net::Ipv6Addr;

use ureq::http::Uri;

/// A receiver's URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    shown: String,
}

/// Why a URL is none for a receiver. It never repeats the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Too long.
    #[error("it has more than {} characters", Target::CEILING)]
    TooLong,
    /// No URL.
    #[error("it is no URL such as https://example.com/punches (names in other scripts in their ASCII form)")]
    NotAUrl,
    /// Neither of the two.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// Somebody's name and password.
    #[error("it must not contain a user name or password; whoever receives checks the signature instead")]
    Credentials,
    /// What a receiver never gets.
    #[error("it must not contain a fragment (#)")]
    Fragment,
}

impl Target {
    /// The longest URL, in characters.
    pub const CEILING: usize = 2048;

    /// Takes a URL.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if text.len() > Self::CEILING {
            return Err(InvalidUrl::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidUrl::NotAUrl);
        }
        if text.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidUrl::NotAUrl)?;
        let scheme = uri.scheme_str().ok_or(InvalidUrl::NotAUrl)?;
        if !["http", "https"].contains(&scheme) {
            return Err(InvalidUrl::Scheme);
        }
        let authority = uri.authority().ok_or(InvalidUrl::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        let after_host = authority.as_str().get(authority.host().len()..).unwrap_or_default();
        let port = after_host.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
        if !is_host(authority.host()) || !port {
            return Err(InvalidUrl::NotAUrl);
        }
        let shown = format!("{scheme}://{authority}{}", uri.path());
        Ok(Self { uri, shown })
    }

    /// The URL without what may hold a token: scheme, host and path.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The host, as a name for people.
    #[must_use]
    pub fn host(&self) -> &str {
        bare(self.uri.host().unwrap_or_default())
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// Whether this is a name of a host or an address of one. What parses URLs lets more pass, such as `a*b`.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return bare(host).parse::<Ipv6Addr>().is_ok();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let labels = host.strip_suffix('.').unwrap_or(host).split('.');
    labels.into_iter().all(|label| !label.is_empty() && label.bytes().all(plain))
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_shown_without_its_query() {
        for (text, shown, host) in [
            ("https://example.com", "https://example.com/", "example.com"),
            ("http://10.0.0.7:8080/a/b?token=hunter2", "http://10.0.0.7:8080/a/b", "10.0.0.7"),
            ("http://my_service./x", "http://my_service./x", "my_service."),
            ("https://[2001:db8::1]:443/?hunter2", "https://[2001:db8::1]:443/", "2001:db8::1"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.shown(), target.host()), (shown, host));
            assert_eq!(format!("{target:?}"), shown);
        }
    }

    #[test]
    fn what_is_no_receiver_is_refused_without_being_repeated() {
        let long = format!("https://example.com/{}", "x".repeat(2048));
        for (text, error) in [
            ("", InvalidUrl::NotAUrl),
            ("example.com", InvalidUrl::NotAUrl),
            ("/path", InvalidUrl::NotAUrl),
            ("https://", InvalidUrl::NotAUrl),
            ("https://:443/", InvalidUrl::NotAUrl),
            ("https://example.com:0/", InvalidUrl::NotAUrl),
            ("https://example.com:99999/", InvalidUrl::NotAUrl),
            ("https://example.com:/", InvalidUrl::NotAUrl),
            ("https://exämple.com/", InvalidUrl::NotAUrl),
            ("https://example*/", InvalidUrl::NotAUrl),
            ("https://example..com/", InvalidUrl::NotAUrl),
            ("https://[2001:db8]/", InvalidUrl::NotAUrl),
            ("https://example.com/a b", InvalidUrl::NotAUrl),
            ("https://example.com/\r\nHost: x", InvalidUrl::NotAUrl),
            ("ftp://example.com/", InvalidUrl::Scheme),
            ("file:///etc/passwd", InvalidUrl::NotAUrl),
            ("gopher://example.com/", InvalidUrl::Scheme),
            ("https://user:hunter2@example.com/", InvalidUrl::Credentials),
            ("https://user@example.com/", InvalidUrl::Credentials),
            ("https://@example.com/", InvalidUrl::Credentials),
            ("https://example.com/#hunter2", InvalidUrl::Fragment),
            (long.as_str(), InvalidUrl::TooLong),
        ] {
            assert_eq!(Target::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_target_or_an_error(text in "(https?://)?[ -~é]{0,60}") {
            if let Ok(target) = Target::parse(&text) {
                prop_assert!(!target.shown().contains('?') && !target.shown().contains('@'));
                prop_assert!(!target.host().is_empty());
            }
        }
    }
}
