//! What the engine says went wrong, in the words of this crate.

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::error::SessionError;

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(fault) => Self::Certificate(certificate(&fault)),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::AlertReceived(alert) => Self::Refused(refusal(alert)),
            Error::PeerIncompatible(why) => Self::Incompatible(incompatibility(&why)),
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord
            | Error::DecryptError => Self::Protocol(error.to_string()),
            other => Self::Here(other.to_string()),
        }
    }
}

fn certificate(fault: &CertificateError) -> String {
    match fault {
        CertificateError::UnknownIssuer => {
            "nobody trusted here has signed it; name its authority's \
            certificate, or its own where it is self-signed, among the trusted ones"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("it has expired ({fault})")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("it is not valid yet ({fault}); is the clock right?")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is for another host ({fault})")
        }
        other => other.to_string(),
    }
}

fn incompatibility(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::Tls13RequiredForQuic
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired => {
            "no version of TLS is allowed at both ends".to_owned()
        }
        PeerIncompatible::NoCipherSuitesInCommon => "no cipher is allowed at both ends".to_owned(),
        other => format!("{other:?}"),
    }
}

fn refusal(alert: AlertDescription) -> String {
    let meaning = match alert {
        AlertDescription::UnknownCA => "it does not trust who signed our certificate",
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "it wants a certificate"
        }
        AlertDescription::CertificateExpired => "our certificate has expired",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => "it does not accept our certificate",
        AlertDescription::ProtocolVersion => "it speaks another version of TLS",
        AlertDescription::HandshakeFailure => {
            "it has no cipher in common with us, or wants a certificate"
        }
        AlertDescription::UnrecognisedName => "it does not know the name we call it by",
        _ => return format!("alert {alert:?}"),
    };
    format!("{meaning} (alert {alert:?})")
}
