//! Base64 (RFC 4648 section 4) of credentials.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of an `Authorization` or `Proxy-Authorization` header of the method Basic (RFC 7617).
pub fn basic_credentials(user: &str, password: &str) -> String {
    let plain = format!("{user}:{password}");
    let mut text = "Basic ".to_owned();
    for group in plain.as_bytes().chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            // A group of n bytes fills n + 1 letters.
            let letter = ALPHABET.get((bits >> shift & 63) as usize);
            let letter = letter.filter(|_| index <= group.len());
            text.push(char::from(letter.copied().unwrap_or(b'=')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_standard() {
        assert_eq!(
            basic_credentials("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(basic_credentials("test", "123£"), "Basic dGVzdDoxMjPCow==");
        assert_eq!(basic_credentials("", ""), "Basic Og==");
        assert_eq!(basic_credentials("ab", ""), "Basic YWI6");
    }
}
