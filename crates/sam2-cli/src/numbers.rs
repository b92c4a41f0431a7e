//! Parsers of the numbers that options take.

use std::str::FromStr;

/// A floating-point number that can be infinite or none.
pub trait Float: FromStr + Copy {
    fn is_finite(self) -> bool;
}

impl Float for f32 {
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Float for f64 {
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

/// Parses a finite number. Every option with a fraction uses it.
pub fn finite<T: Float>(text: &str) -> Result<T, String> {
    match text.trim().parse() {
        Ok(number) if T::is_finite(number) => Ok(number),
        Ok(_) => Err("not a finite number".to_owned()),
        Err(_) => Err("not a number".to_owned()),
    }
}

/// Parses a finite number of at least 0.
pub fn not_negative<T: Float + Default + PartialOrd>(text: &str) -> Result<T, String> {
    let number = finite(text)?;
    if number >= T::default() { Ok(number) } else { Err("a number of at least 0 is needed".to_owned()) }
}

/// Parses a number of frames, at least one.
pub fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 frame is needed".to_owned()),
        Ok(n) => Ok(n),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use crate::cli::Cli;

    /// Every option that takes a fraction, with the words of its command.
    fn fractions(command: &clap::Command, words: &[String], found: &mut Vec<(Vec<String>, String)>) {
        for option in command.get_arguments() {
            let kind = option.get_value_parser().type_id();
            if kind == TypeId::of::<f32>() || kind == TypeId::of::<f64>() {
                found.push((words.to_vec(), format!("--{}", option.get_long().expect("an option"))));
            }
        }
        for below in command.get_subcommands() {
            fractions(below, &[words, &[below.get_name().to_owned()]].concat(), found);
        }
    }

    #[test]
    fn every_option_with_a_fraction_takes_negative_and_refuses_infinite_numbers() {
        let mut found = Vec::new();
        fractions(&Cli::command(), &["sam2".to_owned()], &mut found);
        assert!(found.len() >= 12, "{found:?}");
        for (words, option) in found {
            let error = |value: &str| {
                let line = words.iter().map(String::as_str).chain([option.as_str(), value]);
                Cli::command().try_get_matches_from(line).expect_err("other arguments are missing").kind()
            };
            for value in ["nan", "NaN", "inf", "-inf", "1e999", "x", ""] {
                assert_eq!(error(value), ErrorKind::ValueValidation, "{words:?} {option} {value}");
            }
            let positive = ["--rtol", "--atol", "--threshold"].contains(&option.as_str());
            for value in ["-1", "-0.5", "0", "1e-3", "2"] {
                let kind = error(value);
                if positive && value.starts_with('-') {
                    assert_eq!(kind, ErrorKind::ValueValidation, "{words:?} {option} {value}");
                    continue;
                }
                assert!(
                    matches!(
                        kind,
                        ErrorKind::MissingRequiredArgument
                            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    ),
                    "{words:?} {option} {value}: {kind:?}"
                );
            }
        }
    }
}
