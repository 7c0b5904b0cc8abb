import type { PortInfo } from '../../lib/link/index.ts';

/** A port as people choose among them: where it is, and what USB says of it. */
export interface DescribedPort {
  readonly address: string;
  readonly name: string;
  readonly about: string;
  readonly heldBy?: string;
}

export function describePort(port: PortInfo): DescribedPort {
  const { usb } = port;
  const about = usb === undefined ? [] : [usb.product ?? `${usb.vendorId}:${usb.productId}`, usb.serialNumber];
  return {
    // The name that stays when cables move comes first where there is one.
    address: port.stableName || port.address,
    name: port.name,
    about: about.filter((word) => word !== undefined && word !== '').join(' '),
    ...(port.heldBy === undefined ? {} : { heldBy: port.heldBy }),
  };
}
