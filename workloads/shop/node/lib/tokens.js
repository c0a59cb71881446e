'use strict';
// Tokens of auth's, verified with its public key, without a call.

const { importJWK, jwtVerify } = require('jose');

const LEEWAY_S = 60; // two guests' clocks need not agree

// A function from a token to its bearer's name, or to null: another key or algorithm, expired, incomplete, no token.
async function verifier(publicKey) {
  const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: publicKey }, 'EdDSA');
  const rules = {
    algorithms: ['EdDSA'],
    issuer: 'shop',
    clockTolerance: LEEWAY_S,
    requiredClaims: ['exp', 'iat', 'sub', 'iss'],
  };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, key, rules);
      return typeof payload.sub === 'string' ? payload.sub : null;
    } catch (error) {
      if (typeof error.code === 'string' && error.code.startsWith('ERR_J')) return null;
      throw error;
    }
  };
}

module.exports = { verifier };
