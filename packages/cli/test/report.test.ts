// The demo's page in a real browser: what a newcomer must find is there and visible.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, fixtures, workFolder } from './run.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));
if (!executablePath) console.warn('SKIPPED: the report in a browser: no Chromium was found (apt-get install chromium)');

describe.skipIf(!executablePath)('the report of a spam mail, in Chromium', () => {
  let work: string;
  let browser: Browser;
  let page: Page;
  const requests: string[] = [];

  beforeAll(async () => {
    work = workFolder();
    const report = join(work, 'report.html');
    const { status, stderr } = cli(
      'explain',
      '--model',
      'zoo:mail',
      '--file',
      join(fixtures, 'demo-spam.txt'),
      '--method',
      'all',
      '--out',
      report,
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: [
        '--no-sandbox',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(report).href);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(work, { recursive: true, force: true });
  });

  test('shows the text, the answer and its probability', async () => {
    await expect(page.locator('.source').first().isVisible()).resolves.toBe(true);
    expect(await page.locator('.source').first().innerText()).toContain('Competitive Mortgage Rates');
    expect(await page.locator('.answer').first().innerText()).toContain('spam');
    expect(await page.locator('.probability').first().innerText()).toMatch(/\d.*%/);
  });

  test('shows every map with what it means and its check', async () => {
    const cards = page.locator('.card');
    const count = await cards.count();
    expect(count).toBeGreaterThanOrEqual(7);
    for (let i = 0; i < count; i++) {
      const card = cards.nth(i);
      for (const part of ['.verdict', '.check-chart', '.view-0 .token-strip'])
        expect(await card.locator(part).first().isVisible(), `card ${i}, ${part}`).toBe(true);
    }
  });

  test('asks for nothing but itself, and does not overflow a narrow window', async () => {
    expect(requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
    await page.setViewportSize({ width: 400, height: 800 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(400);
  });
});
