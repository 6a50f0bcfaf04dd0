//! Argon2id (RFC 9106): its parameters, their limits, and the derivation of a passphrase's key.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::{Error, Limits};

/// Cost of deriving a key from a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KdfParams {
    /// Memory, KiB; at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for KdfParams {
    /// RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl KdfParams {
    /// Refuses parameters outside the limits, before any memory is set aside.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        let at_least = |what, value: u32, least: u32| {
            if value < least {
                return Err(Error::BelowMinimum { what, value: value.into(), least: least.into() });
            }
            Ok(())
        };
        at_least("the number of Argon2id passes", self.passes, 1)?;
        at_least("the number of Argon2id lanes", self.lanes, 1)?;
        Error::limit("the number of Argon2id passes", self.passes.into(), limits.kdf_passes.into())?;
        Error::limit("the number of Argon2id lanes", self.lanes.into(), limits.kdf_lanes.into())?;
        limits.check_kdf_memory(self.memory_kib.into())?;
        at_least("the Argon2id memory (KiB)", self.memory_kib, self.lanes.saturating_mul(8))
    }

    /// 32 bytes from a passphrase and a salt. The caller has checked the parameters.
    pub(crate) fn derive(&self, passphrase: &[u8], salt: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let refused = |_| Error::misuse("Argon2id refuses these parameters");
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(refused)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase, salt, key.as_mut())
            .map_err(refused)?;
        Ok(key)
    }
}
