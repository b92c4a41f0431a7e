//! A part of a list that several runs do together.

use std::str::FromStr;

/// Part `index` of `count`, counted from 1: items `index`, `index + count`, … of a list. The items of a part
/// depend on the list alone, so runs that share nothing but the list do each of them once.
#[derive(Clone, Copy, Debug)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The items of this part.
    pub fn of<T>(self, list: Vec<T>) -> Vec<T> {
        list.into_iter().skip(self.index - 1).step_by(self.count).collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "a part and their number are needed, such as 2/8".to_owned();
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse::<usize>().map_err(|_| form()) } else { Err(form()) }
        };
        let (index, count) = text.split_once('/').ok_or_else(form)?;
        let (index, count) = (number(index)?, number(count)?);
        match (index, count) {
            (_, 0) => Err("at least 1 part is needed".to_owned()),
            (0, _) => Err(format!("parts count from 1: 1/{count} to {count}/{count}")),
            (index, count) if index > count => {
                Err(format!("there is no part {index} of {count}: 1/{count} to {count}/{count}"))
            }
            (index, count) => Ok(Self { index, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_together_the_list() {
        for length in 0..=9_usize {
            for count in 1..=12 {
                let mut together = Vec::new();
                for index in 1..=count {
                    let shard: Shard = format!("{index}/{count}").parse().expect("a part");
                    let part = shard.of((0..length).collect());
                    assert!(part.is_sorted() && part.len().abs_diff(length / count) <= 1, "{part:?}");
                    together.extend(part);
                }
                together.sort_unstable();
                assert_eq!(together, (0..length).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn other_texts_are_refused_in_words() {
        let form = "such as 2/8";
        let cases = [
            ("", form),
            ("1", form),
            ("/", form),
            ("1/", form),
            ("/2", form),
            ("a/2", form),
            ("+1/2", form),
            ("-1/2", form),
            ("1/2/3", form),
            ("1 / 2", form),
            ("1/99999999999999999999", form),
            ("1/0", "at least 1 part"),
            ("0/0", "at least 1 part"),
            ("0/4", "1/4 to 4/4"),
            ("5/4", "no part 5 of 4"),
        ];
        for (text, words) in cases {
            let error = text.parse::<Shard>().expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
