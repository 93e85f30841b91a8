//! Java's way to say who one is: `org...ScramLoginModule required username="u" password="p";`.

use std::iter::Peekable;
use std::str::Chars;

use super::wrong;
use crate::error::{Error, Result};

/// Who one is.
pub(super) struct Login {
    /// Of the module for PLAIN, not of that for SCRAM.
    pub(super) is_plain: bool,
    pub(super) username: String,
    pub(super) password: String,
}

/// Reads the value of `sasl.jaas.config`. An error says what is wrong and shows nothing of it.
pub(super) fn parse(text: &str) -> Result<Login> {
    let mut rest = text.chars().peekable();
    let module = word(&mut rest);
    let is_plain = match module.rsplit('.').next() {
        Some("PlainLoginModule") => true,
        Some("ScramLoginModule") => false,
        _ => return Err(bad("begins with neither PlainLoginModule nor ScramLoginModule")),
    };
    let (mut username, mut password) = (None, None);
    loop {
        let name = word(&mut rest);
        if rest.next_if_eq(&'=').is_some() {
            let value = word(&mut rest);
            match name.as_str() {
                "username" => username = Some(value),
                "password" => password = Some(value),
                _ => {}
            }
        } else if rest.next_if_eq(&';').is_some() || name.is_empty() {
            break;
        }
    }
    let (Some(username), Some(password)) = (username, password) else {
        return Err(bad("names no username=\"...\" and password=\"...\""));
    };
    Ok(Login { is_plain, username, password })
}

fn bad(what: &str) -> Error {
    wrong(format!("`sasl.jaas.config` {what}")).way_out(
        "write org.apache.kafka.common.security.plain.PlainLoginModule required username=\"...\" password=\"...\";",
    )
}

/// The next word, in quotes or up to a blank, `=` or `;`; blanks around it are passed over.
fn word(rest: &mut Peekable<Chars<'_>>) -> String {
    let skip = |rest: &mut Peekable<Chars<'_>>| while rest.next_if(|c| c.is_whitespace()).is_some() {};
    let mut word = String::new();
    skip(rest);
    if let Some(quote) = rest.next_if(|&c| c == '"' || c == '\'') {
        while let Some(c) = rest.next().filter(|&c| c != quote) {
            word.extend(if c == '\\' { rest.next() } else { Some(c) });
        }
    } else {
        while let Some(c) = rest.next_if(|&c| !c.is_whitespace() && c != '=' && c != ';') {
            word.push(c);
        }
    }
    skip(rest);
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_user_of_either_module_is_read_whatever_stands_around() {
        for (text, is_plain) in [
            (
                r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p;=\" \\";"#,
                true,
            ),
            (r#" ScramLoginModule  required  tokenauth=true password = 'p;=" \\' username=u ; "#, false),
        ] {
            let login = parse(text).ok().unwrap();
            assert_eq!((login.username.as_str(), login.password.as_str(), login.is_plain), ("u", "p;=\" \\", is_plain));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_and_not_shown() {
        for text in
            ["", "Krb5LoginModule required;", "PlainLoginModule required username=hidden;", "hidden", "\"hidden"]
        {
            let error = parse(text).err().unwrap().to_string();
            assert!(error.starts_with("`sasl.jaas.config` ") && !error.contains("hidden"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_go_on_for_ever(text in any::<String>(), options in any::<String>()) {
            let _either = (parse(&text).is_ok(), parse(&format!("PlainLoginModule {options}")).is_ok());
        }
    }
}
