// Why a call could not do what it was asked for. People read the text in the operator's status.

/** A parameter is wrong. */
export const CODE_PARAMETER: u32 = 1;
/** The host broke the contract. */
export const CODE_CONTRACT: u32 = 2;
/** The first code that is the plugin's own. */
export const CODE_OWN: u32 = 100;

export class Problem {
  /** The text says what is wrong, where, and what to do; lower-case, without full stop. */
  constructor(
    public code: u32,
    public text: string,
  ) {}
}
