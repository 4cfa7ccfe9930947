//! Lists of ciphers as OpenSSL writes them, such as `ECDHE+AESGCM:!aNULL`.
//!
//! ```text
//! list := item { (':' | ',' | ' ') item }
//! item := [ '!' | '-' | '+' ] word { '+' word }     all words must fit
//!       | '@' …                                     an order or a level: without meaning here
//! ```
//!
//! A list is about TLS 1.2: the suites of TLS 1.3 are all sound and always offered, as in OpenSSL.
//! Most words name what is not there at all (no RC4, no RSA key exchange, no CBC): forbidding it
//! changes nothing, and asking for it is remembered, so that somebody can be told.

/// Fluentd's list: everything there is.
pub const DEFAULT_CIPHERS: &str = "ALL:!aNULL:!eNULL:!SSLv2";

/// The suites of TLS 1.2, strongest first.
const SUITES: &[Suite] = &[
    suite("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDSA", "AES256"),
    suite("ECDHE-RSA-AES256-GCM-SHA384", "RSA", "AES256"),
    suite("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDSA", "CHACHA20"),
    suite("ECDHE-RSA-CHACHA20-POLY1305", "RSA", "CHACHA20"),
    suite("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA", "AES128"),
    suite("ECDHE-RSA-AES128-GCM-SHA256", "RSA", "AES128"),
];

/// One suite and what its name is made of.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    signature: &'static str,
    cipher: &'static str,
}

const fn suite(name: &'static str, signature: &'static str, cipher: &'static str) -> Suite {
    Suite {
        name,
        signature,
        cipher,
    }
}

impl Suite {
    fn fits(&self, word: &str) -> bool {
        match word {
            "ALL" | "DEFAULT" | "HIGH" | "ECDHE" | "EECDH" | "kECDHE" | "kEECDH" | "AEAD"
            | "TLSv1.2" => true,
            "ECDSA" | "aECDSA" => self.signature == "ECDSA",
            // `RSA` alone asks for the key exchange of that name.
            "aRSA" => self.signature == "RSA",
            "AES" | "AESGCM" => self.cipher != "CHACHA20",
            "AES128" | "AES256" | "CHACHA20" => self.cipher == word,
            name => self.name == name,
        }
    }
}

/// What a list selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CipherList {
    text: String,
    /// Places in [`SUITES`], in the order in which they are asked for.
    chosen: Vec<usize>,
    idle: Vec<String>,
}

impl CipherList {
    /// Understands `text`. Any text is one: what is unknown selects nothing.
    pub fn parse(text: &str) -> Self {
        let mut chosen: Vec<usize> = Vec::new();
        let mut forbidden: Vec<usize> = Vec::new();
        let mut idle = Vec::new();
        for item in text.split([':', ',', ' ']) {
            let (sign, words) = match item.chars().next() {
                None | Some('@') => continue,
                Some(sign @ ('!' | '-' | '+')) => (sign, item.get(1..).unwrap_or_default()),
                Some(_) => (' ', item),
            };
            let fitting: Vec<usize> = SUITES
                .iter()
                .enumerate()
                .filter(|(_, suite)| words.split('+').all(|word| suite.fits(word)))
                .map(|(place, _)| place)
                .collect();
            match sign {
                '!' => {
                    chosen.retain(|place| !fitting.contains(place));
                    forbidden.extend(fitting);
                }
                '-' => chosen.retain(|place| !fitting.contains(place)),
                // Moves to the end.
                '+' => chosen.sort_by_key(|place| fitting.contains(place)),
                _ if fitting.is_empty() => idle.push(item.to_owned()),
                _ => {
                    for place in fitting {
                        if !chosen.contains(&place) && !forbidden.contains(&place) {
                            chosen.push(place);
                        }
                    }
                }
            }
        }
        Self {
            text: text.to_owned(),
            chosen,
            idle,
        }
    }

    /// What is asked for and not there: old ciphers, or words that are none.
    pub fn without_effect(&self) -> &[String] {
        &self.idle
    }

    /// The list as it is written.
    #[cfg(feature = "rustls")]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The names of the suites of TLS 1.2 that it selects, in its order.
    #[cfg(feature = "rustls")]
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let suites = self.chosen.iter().filter_map(|place| SUITES.get(*place));
        suites.map(|suite| suite.name)
    }
}

/// The names of all there are.
#[cfg(feature = "rustls")]
pub(crate) fn known() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

impl Default for CipherList {
    fn default() -> Self {
        Self::parse(DEFAULT_CIPHERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Vec<&'static str> {
        let list = CipherList::parse(text);
        list.chosen
            .iter()
            .map(|place| SUITES[*place].name)
            .collect()
    }

    #[test]
    fn lists_select_as_openssl_does() {
        assert_eq!(chosen(DEFAULT_CIPHERS).len(), 6);
        assert_eq!(
            chosen("ECDHE+AESGCM:!ECDSA"),
            ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(
            chosen("ECDHE-RSA-AES128-GCM-SHA256:CHACHA20:!aECDSA"),
            ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"]
        );
        // What is forbidden once does not come back; what is taken away does, and `+` moves to the end.
        assert_eq!(
            chosen("!AES128:ALL:-AES256:AES256+aRSA:+CHACHA20").last(),
            chosen("CHACHA20+aRSA").last()
        );
        assert_eq!(
            chosen("ALL:-ALL:AES128+ECDSA"),
            ["ECDHE-ECDSA-AES128-GCM-SHA256"]
        );
        assert_eq!(chosen("ALL:@STRENGTH:!MD5:!RC4").len(), 6);
    }

    #[test]
    fn what_is_not_there_is_told() {
        let list = CipherList::parse("AES128-SHA:ECDHE+AESGCM:RC4");
        assert_eq!(list.without_effect(), ["AES128-SHA", "RC4"]);
    }
}
