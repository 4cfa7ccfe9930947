//! Certificates made at the start.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, RsaKeySize,
    SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::SetupError;
use crate::settings::{Certificate, Digest, KeyPair};

/// The longest validity: the dates of certificates end with the year 9999.
const LIFETIME_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How long ago a certificate made now begins, for clients whose clock is behind.
const BEGUN_BEFORE: Duration = Duration::from_secs(3600);

type Made = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Certificate {
    /// The certificate, signed by itself.
    pub(crate) fn self_signed(&self) -> Result<Made, SetupError> {
        let key = self.key()?;
        let certificate = self
            .parameters()?
            .self_signed(&key)
            .map_err(|error| failed(&error))?;
        Ok((vec![certificate.der().clone()], private(&key)))
    }

    /// The certificate, signed by an authority, with the authority's behind it.
    pub(crate) fn issued_by(&self, authority: &KeyPair) -> Result<Made, SetupError> {
        let (authorities, authority_key) = authority.read()?;
        let unusable = |error: rcgen::Error| SetupError::KeyUnusable {
            key: authority.key.clone(),
            certificate: authority.certificate.clone(),
            error: error.to_string(),
        };
        let first = authorities
            .first()
            .ok_or_else(|| SetupError::NoCertificate {
                path: authority.certificate.clone(),
            })?;
        let authority_key =
            rcgen::KeyPair::try_from(authority_key.secret_der()).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_der(first, authority_key).map_err(unusable)?;
        let key = self.key()?;
        let certificate = self
            .parameters()?
            .signed_by(&key, &issuer)
            .map_err(|error| failed(&error))?;
        let mut chain = vec![certificate.der().clone()];
        chain.extend(authorities);
        Ok((chain, private(&key)))
    }

    fn key(&self) -> Result<rcgen::KeyPair, SetupError> {
        let algorithm: &'static SignatureAlgorithm = match self.digest {
            Digest::Sha256 => &PKCS_RSA_SHA256,
            Digest::Sha384 => &PKCS_RSA_SHA384,
            Digest::Sha512 => &PKCS_RSA_SHA512,
        };
        let length = match self.key_length {
            2048 => RsaKeySize::_2048,
            3072 => RsaKeySize::_3072,
            4096 => RsaKeySize::_4096,
            other => {
                let fault = format!("a key of {other} bits; there are 2048, 3072 and 4096");
                return Err(SetupError::Generate(fault));
            }
        };
        rcgen::KeyPair::generate_rsa_for(algorithm, length).map_err(|error| failed(&error))
    }

    fn parameters(&self) -> Result<CertificateParams, SetupError> {
        // Clients of today look for alternative names only, those of old in the subject.
        let names = vec![self.common_name.clone()];
        let mut parameters = CertificateParams::new(names).map_err(|error| failed(&error))?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, self.country.as_str());
        subject.push(DnType::StateOrProvinceName, self.state.as_str());
        subject.push(DnType::LocalityName, self.locality.as_str());
        subject.push(DnType::CommonName, self.common_name.as_str());
        parameters.distinguished_name = subject;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        parameters.not_before = epoch + now.saturating_sub(BEGUN_BEFORE);
        parameters.not_after = epoch + now + self.lifetime.min(LIFETIME_MAX);
        Ok(parameters)
    }
}

fn private(key: &rcgen::KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn failed(error: &rcgen::Error) -> SetupError {
    SetupError::Generate(error.to_string())
}
