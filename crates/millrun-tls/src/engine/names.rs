//! Whether a certificate that names its host in the way of old is for a host.
//!
//! Alternative names are webpki's to look at. A certificate without any has its host's name in its
//! subject; Fluentd makes such ones, and its guides show how to, so they must do.

use rustls::pki_types::{CertificateDer, ServerName};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// True for a certificate that has no alternative names, and this one in its subject.
pub(crate) fn subject_is(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    // A certificate that has two of that field is not one of old, but a broken one.
    let alternatives = parsed.subject_alternative_name();
    let has_alternatives = match &alternatives {
        Ok(Some(found)) => found
            .value
            .general_names
            .iter()
            .any(|name| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_))),
        Ok(None) => false,
        Err(_) => true,
    };
    if has_alternatives {
        return false;
    }
    let mut subjects = parsed.subject().iter_common_name();
    let wanted = name.to_str();
    subjects.any(|subject| {
        subject
            .as_str()
            .is_ok_and(|subject| is_name(subject, &wanted))
    })
}

/// Whether a name of a certificate, perhaps with `*` for its first label, covers `wanted`.
fn is_name(name: &str, wanted: &str) -> bool {
    if name.eq_ignore_ascii_case(wanted) {
        return true;
    }
    let (Some(suffix), Some((label, rest))) = (name.strip_prefix("*."), wanted.split_once('.'))
    else {
        return false;
    };
    // A star for a whole zone, such as *.com, or for a part of an address, is none.
    let is_address = wanted.parse::<std::net::IpAddr>().is_ok();
    !label.is_empty() && suffix.contains('.') && !is_address && suffix.eq_ignore_ascii_case(rest)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(is_name("srv.test", "SRV.test"));
        assert!(is_name("*.a.test", "x.a.test"));
        assert!(!is_name("*.a.test", "x.y.a.test"));
        assert!(!is_name("*.a.test", ".a.test"));
        assert!(!is_name("*.test", "a.test"));
        assert!(!is_name("*.0.0.1", "127.0.0.1"));
        assert!(!is_name("a.test", "b.test"));
    }
}
