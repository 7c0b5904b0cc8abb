import { choices, fillSelect, layOut, NUMBER, oneOf, SWITCH, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, probes } from './config.ts';

RED.nodes.registerType('keyway-osdp-discover', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-osdp-discover.svg',
  defaults: {
    name: { value: '' },
    bus: { value: '', type: 'keyway-osdp-bus', required: true },
    addresses: { value: '' },
    addressesType: { value: 'str' },
    baudRates: { value: '' },
    baudRatesType: { value: 'str' },
    listen: { value: '2' },
    listenType: { value: 'num' },
    probe: { value: 'auto' },
    probeType: { value: 'op' },
    force: { value: 'false' },
    forceType: { value: 'bool' },
    whenBusy: { value: 'queue' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 2,
  paletteLabel: function () {
    return this._('keyway-osdp-discover.palette');
  },
  label: function () {
    const words = this._('keyway-osdp-discover.words');
    const bus = typeof this.bus === 'string' ? RED.nodes.node(this.bus) : undefined;
    return labelFor(this, bus ? `${words} @ ${nameOf(bus)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function (index) {
    return this._(`keyway-osdp-discover.output.${['result', 'progress'][index]}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    typed('addresses', TEXT, this._('keyway-osdp-discover.placeholder.addresses'));
    typed('baudRates', TEXT, this._('keyway-osdp-discover.placeholder.baudRates'));
    typed('listen', NUMBER);
    typed('probe', oneOf(choices(this, 'keyway-osdp-discover.probe', [...probes])));
    typed('force', SWITCH);
    fillSelect('#node-input-whenBusy', choices(this, 'keyway.whenBusy', ['queue', 'refuse']), this.whenBusy);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
