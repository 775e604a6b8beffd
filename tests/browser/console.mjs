// Uses the console of examples/deploy/access in Chromium as an operator does, and prints what it saw as one line of JSON.
//
//   node console.mjs URL
//
// tests/deploy/test_console.py serves what it talks to.

import { chromium } from 'playwright-core';

const seen = { errors: [] };
const browser = await chromium.launch({
  executablePath: process.env.LSV_CHROMIUM ?? '/usr/bin/chromium',
  chromiumSandbox: false,
});
const page = await browser.newPage();
page.on('pageerror', (error) => seen.errors.push(error.message));
// What the policy of the page forbids is told here alone.
page.on('console', (message) => /Content Security Policy/.test(message.text()) && seen.errors.push(message.text()));
page.on('dialog', (dialog) => dialog.accept());

await page.goto(process.argv[2]);
await page.fill('[name=name]', 'admin');
await page.fill('[name=password]', 'wrong');
await page.click('text=Log in');
await page.waitForFunction(() => document.getElementById('message').textContent);
seen.refused = await page.textContent('#message');

await page.fill('[name=password]', 'correct-horse');
await page.click('text=Log in');
await page.waitForSelector('#channels td');
seen.channels = await page.innerText('#channels tbody');
await page.fill('[name=videoname]', 'Second');
await page.click('text=Create');
await page.waitForSelector('td:text("Second")');
await page.click('text=Addresses >> nth=1');
await page.waitForSelector('dd');
seen.addresses = await page.innerText('#addresses');
await page.click('text=Delete >> nth=0');
await page.waitForSelector('td:text("Second")', { state: 'detached' });
seen.left = await page.innerText('#channels tbody');
// The token is nowhere but in the page.
seen.kept = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
console.log(JSON.stringify(seen));
await browser.close();
