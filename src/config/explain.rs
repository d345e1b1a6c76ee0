//! Every setting as it was understood, for the person who asks why.

use super::sources::Origin;

/// All settings, in the order of the file, and what is odd about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// One per setting.
    pub settings: Vec<Explanation>,
    /// What does not stop the service but is probably not meant.
    pub warnings: Vec<String>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Its name in the file, with its section.
    pub name: String,
    /// Its value; `***` for a secret, `-` for none.
    pub value: String,
    /// What it is without anybody's doing.
    pub default: String,
    /// What it may be, with the unit.
    pub range: String,
    /// Where the value came from.
    pub origin: Origin,
}

impl Explained {
    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![["SETTING", "VALUE", "DEFAULT", "MAY BE", "FROM"].map(str::to_owned)];
        rows.extend(self.settings.iter().map(|s| {
            [s.name.clone(), s.value.clone(), s.default.clone(), s.range.clone(), s.origin.to_string()]
        }));
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |row: &[String; 5]| {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        rows.iter().map(line).collect()
    }
}
