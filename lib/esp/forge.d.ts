/** The parts of node-forge that are loaded alone; @types/node-forge knows only the whole. */
declare module 'node-forge/lib/forge.js' {
  namespace forge {
    interface MessageDigest {
      update(binary: string): MessageDigest;
      digest(): { getBytes(): string };
    }
    interface Hmac extends MessageDigest {
      start(hash: 'sha256', key: string): void;
    }
    interface ByteBuffer {
      getBytes(): string;
    }
    interface BlockCipher {
      start(options: object): void;
      update(input: ByteBuffer): void;
      finish(pad: () => boolean): boolean;
      readonly output: ByteBuffer;
    }
  }
  const forge: Record<'md5' | 'sha256', { create(): forge.MessageDigest }> & {
    hmac: { create(): forge.Hmac };
    cipher: Record<'createCipher' | 'createDecipher', (algorithm: 'AES-ECB', key: string) => forge.BlockCipher>;
    util: { createBuffer(binary: string): forge.ByteBuffer };
  };
  export default forge;
}
declare module 'node-forge/lib/aes.js';
declare module 'node-forge/lib/hmac.js';
declare module 'node-forge/lib/md5.js';
declare module 'node-forge/lib/sha256.js';
