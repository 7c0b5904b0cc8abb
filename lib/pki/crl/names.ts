import { AUTHORITY_NAMESPACE } from '../names.ts';

/** What the list of the root is called here: no namespace can have that name. */
export const ROOT_LIST = `${AUTHORITY_NAMESPACE}/root`;
