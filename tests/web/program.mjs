// The program under test and the browser. SAM2 is the path of the program, CHROMIUM that of the browser.

import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
const program = process.env.SAM2 ?? path.join(root, "target/debug/sam2");
const found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
    fs.existsSync,
);

export const file = (name) => path.join(root, name);
export const folder = () => fs.mkdtempSync(path.join(os.tmpdir(), "sam2-web-"));

/** Starts `sam2 serve` and waits for its address: {address, child, stop}. */
export async function serve(...args) {
    const child = spawn(program, ["serve", "-q", "--port", "0", ...args], {
        stdio: ["ignore", "pipe", "pipe"],
    });
    let errors = "";
    child.stderr.on("data", (text) => (errors += text));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const first = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const address = (await Promise.race([first, ended.then(() => ({}))])).value;
    if (!address) throw new Error(`sam2 serve ended: ${errors}`);
    return {
        address,
        child,
        async stop(signal = "SIGTERM") {
            child.kill(signal);
            await ended;
        },
    };
}

let browser;
/** A page of a server in a context of its own; errors that it logs and requests elsewhere are `faults`. */
export async function open(server, options = {}) {
    browser ??= await chromium.launch({
        executablePath: process.env.CHROMIUM ?? found,
        args: ["--no-sandbox"],
    });
    const settings = { viewport: { width: 1280, height: 800 }, colorScheme: "dark", ...options };
    const context = await browser.newContext({ acceptDownloads: true, ...settings });
    const page = await context.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    page.on("request", (request) => {
        const { protocol, hostname } = new URL(request.url());
        if (protocol !== "blob:" && hostname !== "127.0.0.1") faults.push(`request to ${request.url()}`);
    });
    await page.goto(server.address);
    await page.waitForFunction(() => document.querySelector("#media li"));
    await said(page, /ready|connected|predicted|tracked/);
    return { page, faults, close: () => context.close() };
}

export const close = async () => browser?.close();

/** Waits until the status line matches. */
export async function said(page, pattern) {
    const [source, flags] = [pattern.source, pattern.flags];
    await page.waitForFunction(
        ([source, flags]) => new RegExp(source, flags).test(document.querySelector("#status").textContent),
        [source, flags],
    );
}

/** Where a place of the picture of the demo clip, 256×256, is on the page that shows all of it. */
export async function place(page, x, y) {
    const box = await page.locator("#canvas").boundingBox();
    const scale = Math.min((box.width - 24) / 256, (box.height - 24) / 256);
    return [box.x + box.width / 2 + (x - 128) * scale, box.y + box.height / 2 + (y - 128) * scale];
}

/** Calls the server from the page, as the page does. */
export const ask = (page, method, address, body) =>
    page.evaluate(
        async ([method, address, body]) => {
            const response = await fetch(`/api/v1${address}`, { method, body: body && JSON.stringify(body) });
            return response.json();
        },
        [method, address, body],
    );

/** All masks of the first clip, {frame: {object: counts}}. */
export async function masks(page) {
    const [{ id, frames }] = await ask(page, "GET", "/media");
    const answer = await ask(page, "GET", `/clips/${id}/masks?from=0&to=${frames - 1}`);
    return Object.fromEntries(
        answer.frames.map(({ frame, objects }) => [
            frame,
            Object.fromEntries(objects.map(({ obj_id, rle }) => [obj_id, rle.counts])),
        ]),
    );
}
