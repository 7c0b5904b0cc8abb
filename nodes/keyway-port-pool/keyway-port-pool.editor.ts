import { layOut } from '../../editor/shared/form.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults } from './config.ts';

RED.nodes.registerType('keyway-port-pool', {
  category: 'config',
  // A message may name it: one that no node points at is not left over.
  hasUsers: false,
  defaults: {
    name: { value: '' },
    addresses: { value: '' },
    usb: { value: '' },
    virtual: { value: false },
    atOnce: { value: '' },
    baudRate: { value: '115200' },
    version: { value: 1 },
  },
  paletteLabel: function () {
    return this._('keyway-port-pool.palette');
  },
  label: function () {
    const parts = [this.addresses, this.usb, this.virtual === true ? this._('keyway-port-pool.label.virtual') : ''];
    const what = parts.filter((part) => typeof part === 'string' && part !== '').join(', ');
    return String(this.name || what || this._('keyway-port-pool.unnamed'));
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    $('#node-config-input-addresses').attr('placeholder', '/dev/ttyUSB*, /dev/ttyACM*');
    $('#node-config-input-usb').attr('placeholder', '303a:*, 10c4:ea60');
    $('#node-config-input-atOnce').attr('placeholder', this._('keyway-port-pool.placeholder.atOnce'));
    layOut(this._('keyway.label.options'));
  },
});
