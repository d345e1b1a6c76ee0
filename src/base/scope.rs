//! What the bearer of a token may do.

use std::fmt;

/// One kind of thing that can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// See devices, punches and people.
    Read,
    /// Use devices: doors, people, clocks, messages.
    Operate,
    /// Change what devices there are, who is told, who may come in; clear and switch off.
    Admin,
    /// Read and write fingerprint templates.
    Biometric,
}

/// What a token allows. Who may operate may read, and who may administer may do both; templates are allowed by
/// nothing but their own scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

/// Something that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scopes are read, operate, admin and biometric; at least one is needed")]
pub struct NoScope;

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Operate, Self::Admin, Self::Biometric];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
            Self::Biometric => "biometric",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Operate => 2,
            Self::Admin => 4,
            Self::Biometric => 8,
        }
    }
}

impl Scopes {
    /// Everything.
    pub const ALL: Self = Self(15);

    /// These scopes, by their names.
    ///
    /// # Errors
    /// [`NoScope`] when one is unknown, or there is none.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, NoScope> {
        let mut scopes = Self::default();
        for name in names {
            let scope = Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or(NoScope)?;
            scopes.0 |= scope.bit();
        }
        if scopes == Self::default() { Err(NoScope) } else { Ok(scopes) }
    }

    /// Whether they allow this.
    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        let enough = match scope {
            Scope::Read => 1 | 2 | 4,
            Scope::Operate => 2 | 4,
            Scope::Admin => 4,
            Scope::Biometric => 8,
        };
        self.0 & enough != 0
    }

    /// The scopes that were named, not those that follow from them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0).map(Scope::name)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greater_scope_allows_what_the_smaller_one_does_and_templates_stand_alone() {
        let of = |name| Scopes::parse([name]).unwrap();
        for (name, allowed) in [
            ("read", &[Scope::Read][..]),
            ("operate", &[Scope::Read, Scope::Operate]),
            ("admin", &[Scope::Read, Scope::Operate, Scope::Admin]),
            ("biometric", &[Scope::Biometric]),
        ] {
            let found: Vec<_> = Scope::ALL.into_iter().filter(|scope| of(name).allow(*scope)).collect();
            assert_eq!(found, allowed, "{name}");
        }
    }

    #[test]
    fn scopes_are_read_as_they_are_written_and_nothing_else_is_one() {
        let scopes = Scopes::parse(["biometric", "read"]).unwrap();
        assert_eq!(scopes.to_string(), "read,biometric");
        assert_eq!(Scopes::parse(scopes.to_string().split(',')), Ok(scopes));
        assert_eq!(Scopes::parse([]), Err(NoScope));
        assert_eq!(Scopes::parse(["read", "root"]), Err(NoScope));
    }
}
