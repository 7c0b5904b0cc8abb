import { choices, fillSelect, layOut, NUMBER, oneOf, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, sources, times } from './config.ts';

RED.nodes.registerType('keyway-renew', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-renew.svg',
  defaults: {
    name: { value: '' },
    source: { value: 'message' },
    url: { value: '' },
    urlType: { value: 'str' },
    namespace: { value: 'identity.namespace' },
    namespaceType: { value: 'msg' },
    identity: { value: 'identity' },
    identityType: { value: 'msg' },
    certificateFile: { value: '' },
    keyFile: { value: '' },
    caFile: { value: '' },
    when: { value: 'due' },
    whenType: { value: 'op' },
    part: { value: '' },
    partType: { value: 'num' },
    servername: { value: '' },
    servernameType: { value: 'str' },
    redeemer: { value: 'keyway-flash, keyway-renew' },
    lifetime: { value: '60' },
    lifetimeType: { value: 'num' },
    timeout: { value: '60' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-renew.palette');
  },
  label: function () {
    return labelFor(this, this._(`keyway-renew.words.${this.source ?? defaults.source}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-renew.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const source = fillSelect('#node-input-source', choices(this, 'keyway-renew.source', [...sources]), this.source);
    showFor(source, [...sources], () => String(source.val()));
    typed('url', TEXT, 'https://127.0.0.1:8443');
    typed('when', oneOf(choices(this, 'keyway-renew.when', [...times])));
    typed('part', NUMBER, this._('keyway-renew.placeholder.part'));
    typed('namespace', TEXT, this._('keyway-renew.placeholder.namespace'));
    typed('servername', TEXT, this._('keyway-renew.placeholder.servername'));
    typed('identity', ['msg', 'flow', 'global', 'jsonata']);
    typed('lifetime', NUMBER);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
