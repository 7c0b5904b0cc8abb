// Node-RED's settings for `npm start`: this machine only, nothing asked of any server, one secret of its own.
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { randomBytes } = require('node:crypto');
const { join } = require('node:path');

const userDir = process.env.KEYWAY_USER_DIR;
const secretFile = join(userDir, 'credential-secret');
if (!existsSync(secretFile)) writeFileSync(secretFile, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' });

module.exports = {
  uiHost: '127.0.0.1',
  uiPort: Number(process.env.PORT),
  flowFile: 'flows.json',
  credentialSecret: readFileSync(secretFile, 'utf8'),
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: {
    page: { title: 'Keyway on the virtual bench' },
    header: { title: 'Keyway on the virtual bench' },
    tours: false,
    projects: { enabled: false },
    palette: { catalogues: [], categories: ['Keyway chips', 'Keyway identity', 'Keyway bench', 'subflows', 'common'] },
  },
  logging: { console: { level: 'info', metrics: false, audit: false } },
};
