import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explanationReport, heatmap, verdict } from '../src/index.js';
import { MAIL, mailReport } from './fixture.js';

const candidates = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = candidates.find((path) => path !== undefined && existsSync(path));

/** Skipped where no browser is installed; CHROMIUM names one elsewhere. */
describe.skipIf(executablePath === undefined)('in a real browser', () => {
  const report = mailReport();
  const folder = mkdtempSync(join(tmpdir(), 'hidden-attention-plot-'));
  const address = pathToFileURL(join(folder, 'report.html')).href;
  let browser: Browser;

  beforeAll(async () => {
    writeFileSync(join(folder, 'report.html'), explanationReport(report));
    const quiet = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox', ...quiet] });
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  test.each([1280, 400])('at %i pixels everything is visible, nothing sticks out, nothing is loaded or complained of', async (width) => {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    await page.goto(address);
    expect(await page.locator('.source').innerText()).toBe(MAIL);
    expect(await page.locator('.answer').isVisible()).toBe(true);
    expect((await page.locator('.probability').innerText()).replace('\u00a0', ' ')).toBe('99.2 %');
    const cards = page.locator('.card');
    expect(await cards.count()).toBe(6);
    for (const [index, map] of report.results[0]!.maps.entries()) {
      const card = cards.nth(index);
      for (const part of ['.view-0 .token-strip', '.words', '.verdict', '.check-chart', '.certificate'])
        expect(await card.locator(part).first().isVisible()).toBe(true);
      const said = (await card.locator('.verdict').innerText()).replaceAll('\u00a0', ' ');
      expect(said).toBe(verdict(map.certificate.check!).sentence.replaceAll('\u00a0', ' '));
    }
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    expect(requests).toEqual([address]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('the toggle shows tokens and sentences instead of words', async () => {
    const page = await browser.newPage();
    await page.goto(address);
    const card = page.locator('.card').first();
    const shown = async (): Promise<boolean[]> => Promise.all([0, 1, 2].map((view) => card.locator(`.view-${view}`).isVisible()));
    expect(await shown()).toEqual([true, false, false]);
    await card.getByText('By token').click();
    expect(await shown()).toEqual([false, true, false]);
    await page.keyboard.press('ArrowRight');
    expect(await shown()).toEqual([false, false, true]);
    await page.close();
  });

  test('the browser reads our PNG', async () => {
    const svg = heatmap({ values: Float32Array.from({ length: 100 * 90 }, (_, index) => index), rows: 100, columns: 90, signed: false });
    const page = await browser.newPage();
    await page.setContent(`<img src="${/data:image\/png[^"]+/.exec(svg)![0]}">`);
    expect(await page.evaluate('[document.images[0].naturalWidth, document.images[0].naturalHeight]')).toEqual([90, 100]);
    await page.close();
  });
});
