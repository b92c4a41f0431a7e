// The tool that a click stands for.

import { mode } from "./page.js";
import { $ } from "./panels.js";

/** Takes `add`, `remove` or `box`. */
export function choose(tool) {
    mode.tool = tool;
    for (const name of ["add", "remove", "box"])
        $(`tool-${name}`).setAttribute("aria-pressed", name === tool);
}
