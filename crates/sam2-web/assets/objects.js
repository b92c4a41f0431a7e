// The objects: choosing, naming, removing.

import * as api from "./api.js";
import { fail, lists, page, show } from "./page.js";
import * as panels from "./panels.js";
import { choicesOf } from "./prompts.js";
import { nothing } from "./store.js";

const { say } = panels;

export const objectActions = {
    choose(number) {
        if (page.medium.current === number) return;
        page.medium.current = number;
        lists();
        choicesOf();
    },
    change(number, what) {
        Object.assign(page.medium.objects.get(number), what);
        if ("visible" in what) panels.objects(page.medium, objectActions);
        show();
    },
    async save(number) {
        const { name, color } = page.medium.objects.get(number);
        try {
            await api.put(`/clips/${page.medium.id}/objects/${number}`, { name, color });
        } catch (error) {
            fail(error);
        }
    },
    async remove(number) {
        const of = page.medium;
        const { name } = of.objects.get(number);
        const dropped = of.drop(number);
        if (dropped.length > 0) {
            of.record({
                removed: true,
                changes: dropped.map(({ frame, prompt }) => ({
                    frame,
                    object: number,
                    before: prompt,
                    after: nothing(),
                })),
            });
        }
        lists();
        try {
            await api.remove(`/clips/${of.id}/objects/${number}`);
            say(`${name} is removed; undo brings its prompts back`);
        } catch (error) {
            if (error.status !== 404) fail(error);
        }
    },
};

export function nextObject() {
    const number = page.medium?.next();
    if (!number) return say("255 objects are the most", { bad: true });
    page.medium.add(number);
    page.medium.current = number;
    lists();
    say(`object ${number}: click it`);
}
