import { choices, fillSelect, layOut } from '../../editor/shared/form.ts';
import { freeName } from '../../editor/shared/names.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { baudRates, defaults, lines } from './config.ts';

RED.nodes.registerType('keyway-virtual-readers', {
  category: 'config',
  // A port leads to it by its address: one that no node points at is not left over.
  hasUsers: false,
  defaults: {
    name: { value: 'readers-1' },
    count: { value: '1' },
    addresses: { value: '' },
    baudRate: { value: '9600' },
    personalities: { value: '' },
    line: { value: 'auto' },
    boxed: { value: false },
    keyVariable: { value: '' },
    replyMs: { value: '3' },
    rfc2217Port: { value: '' },
    tcpPort: { value: '' },
    ptyPath: { value: '' },
    version: { value: 1 },
  },
  paletteLabel: function () {
    return this._('keyway-virtual-readers.palette');
  },
  label: function () {
    return this.name || this.id;
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    if (!RED.nodes.node(this.id)) $('#node-config-input-name').val(freeName('keyway-virtual-readers', 'readers'));
    fillSelect(
      '#node-config-input-baudRate',
      baudRates.map((rate) => ({ value: String(rate), label: String(rate) })),
      this.baudRate,
    );
    fillSelect('#node-config-input-line', choices(this, 'keyway-virtual-readers.line', [...lines]), this.line);
    for (const field of ['addresses', 'personalities', 'keyVariable']) {
      $(`#node-config-input-${field}`).attr('placeholder', this._(`keyway-virtual-readers.placeholder.${field}`));
    }
    $('#node-config-input-rfc2217Port, #node-config-input-tcpPort, #node-config-input-ptyPath').attr(
      'placeholder',
      this._('keyway.placeholder.off'),
    );
    layOut(this._('keyway.label.options'));
  },
});
