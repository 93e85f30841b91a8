//! A properties file, as `java.util.Properties.load` reads it, with the line of each key.

/// One key with its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line that it begins on, from 1.
    pub(super) line: u64,
    pub(super) key: String,
    pub(super) value: String,
}

/// The entries of a file, in their order.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut lines = (1..).zip(text.lines());
    let mut entries = Vec::new();
    while let Some((line, first)) = lines.next() {
        let mut logical = first.trim_start().to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while goes_on(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start());
        }
        let (key, value) = split(&logical);
        entries.push(Entry { line, key: unescaped(key), value: unescaped(value) });
    }
    entries
}

/// Whether a line ends with a backslash that no other takes away.
fn goes_on(line: &str) -> bool {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// The key up to `=`, `:` or a blank, and what comes after it.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.find(|c: char| {
        let ends = !is_escaped && (c.is_whitespace() || c == '=' || c == ':');
        is_escaped = !is_escaped && c == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    (key, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        plain.push(match c {
            '\\' => match rest.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
                }
                Some(other) => other,
                None => break,
            },
            c => c,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(u64, String, String)> {
        entries(text).into_iter().map(|entry| (entry.line, entry.key, entry.value)).collect()
    }

    #[test]
    fn keys_values_comments_and_lines_that_go_on_are_read_as_java_does() {
        let text =
            "# a comment = x\n\n  a=1\r\nb : 2\nc 3\n! no = n\nd=one \\\n   two\ne\nf = x=y\\\\\ng\\=h=\\u00e9\\t.\n";
        let expected = [
            (3, "a", "1"),
            (4, "b", "2"),
            (5, "c", "3"),
            (7, "d", "one two"),
            (9, "e", ""),
            (10, "f", "x=y\\"),
            (11, "g=h", "é\t."),
        ];
        assert_eq!(read(text), expected.map(|(line, key, value)| (line, key.to_owned(), value.to_owned())));
        assert_eq!(read("a=1\\"), [(1, "a".to_owned(), "1".to_owned())]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            let lines = text.lines().count() as u64;
            prop_assert!(entries(&text).iter().all(|entry| (1..=lines).contains(&entry.line)));
        }

        #[test]
        fn what_is_escaped_is_read_back(key in "[a-z.]{1,20}", value in "[ -~é]{0,40}") {
            let escaped = value.replace('\\', "\\\\").replace(' ', "\\ ");
            let read = read(&format!("{key}={escaped}"));
            prop_assert_eq!(read, [(1, key, value)]);
        }
    }
}
