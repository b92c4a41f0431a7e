//! The JSON objects of a text: one a line, or in a list, or written over several lines.

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// One value of a text and the line on which it begins, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Item<'a> {
    pub line: usize,
    pub text: &'a str,
}

/// The values of a text, lists opened. A line that is no JSON is an item too, so that it can be named. Takes
/// time in proportion to the text.
pub(crate) fn items(text: &str) -> Vec<Item<'_>> {
    let lines = || {
        let numbered = text.lines().enumerate();
        let items = numbered.map(|(i, line)| Item { line: i + 1, text: line.trim() });
        items.filter(|item| !item.text.is_empty())
    };
    let is_begun = |item: Item| serde_json::from_str::<IgnoredAny>(item.text).is_err_and(|e| e.is_eof());
    if lines().next().is_some_and(is_begun)
        && let Some(items) = values(Item { line: 1, text })
    {
        return items;
    }
    lines().flat_map(opened).collect()
}

/// The values of a line that is a list; else the line.
fn opened(item: Item<'_>) -> Vec<Item<'_>> {
    let values = item.text.starts_with('[').then(|| values(item)).flatten();
    values.unwrap_or_else(|| vec![item])
}

/// The values of a text that is JSON throughout; those of a list in place of the list.
fn values(whole: Item<'_>) -> Option<Vec<Item<'_>>> {
    let (mut rest, mut line) = (whole.text, whole.line);
    let mut items = Vec::new();
    // Within a list: whether the next value needs a comma before it.
    let mut list: Option<bool> = None;
    loop {
        let trimmed = rest.trim_start();
        line += newlines(&rest[..rest.len() - trimmed.len()]);
        rest = trimmed;
        let comma = list.unwrap_or(false);
        match rest.bytes().next() {
            None => return list.is_none().then_some(items),
            Some(b'[') if list.is_none() => (rest, list) = (&rest[1..], Some(false)),
            Some(b']') if list.is_some() => (rest, list) = (&rest[1..], None),
            Some(b',') if comma => (rest, list) = (&rest[1..], Some(false)),
            Some(_) if comma => return None,
            Some(_) => {
                let mut stream = Deserializer::from_str(rest).into_iter::<IgnoredAny>();
                stream.next()?.ok()?;
                let (text, after) = rest.split_at(stream.byte_offset());
                items.push(Item { line, text });
                line += newlines(text);
                rest = after;
                list = list.map(|_| true);
            }
        }
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(usize, &str)> {
        items(text).into_iter().map(|item| (item.line, item.text)).collect()
    }

    #[test]
    fn objects_are_found_in_every_layout() {
        assert_eq!(of("{\"a\":1}\r\n\r\n {\"b\":2}"), [(1, "{\"a\":1}"), (3, "{\"b\":2}")]);
        assert_eq!(of("[{\"a\":1}, {\"b\":[2]}]\n"), [(1, "{\"a\":1}"), (1, "{\"b\":[2]}")]);
        assert_eq!(of("[\n  {\"a\":1},\n  {\n\"b\":2}\n]"), [(2, "{\"a\":1}"), (3, "{\n\"b\":2}")]);
        assert_eq!(of("{\n\"a\": 1\n}\n{\"b\":2}\n"), [(1, "{\n\"a\": 1\n}"), (4, "{\"b\":2}")]);
        assert_eq!(of("[]"), []);
        assert_eq!(of(" \n"), []);
    }

    #[test]
    fn what_is_no_json_keeps_its_line() {
        assert_eq!(of("{\"a\":\n{\"b\":2}\nx"), [(1, "{\"a\":"), (2, "{\"b\":2}"), (3, "x")]);
        assert_eq!(of("{\"a\":1}\n[{\"b\":2}"), [(1, "{\"a\":1}"), (2, "[{\"b\":2}")]);
        assert_eq!(of("[{\"a\":1} {\"b\":2}]"), [(1, "[{\"a\":1} {\"b\":2}]")]);
    }

    #[test]
    fn a_long_list_takes_time_in_proportion() {
        let text = format!("[\n{}{{}}]", "{\"points\":[[1,2]]},\n".repeat(200_000));
        assert_eq!(items(&text).last(), Some(&Item { line: 200_002, text: "{}" }));
    }
}
