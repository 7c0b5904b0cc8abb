/** The parts of node-forge that are loaded alone; @types/node-forge knows only the whole. */
declare module 'node-forge/lib/forge.js' {
  namespace forge {
    interface MessageDigest {
      update(binary: string): MessageDigest;
      digest(): { getBytes(): string };
    }
  }
  const forge: Record<'md5' | 'sha256', { create(): forge.MessageDigest }>;
  export default forge;
}
declare module 'node-forge/lib/md5.js';
declare module 'node-forge/lib/sha256.js';
