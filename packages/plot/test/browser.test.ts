import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explanationReport, heatmap, layerAnimation, overlayPng, verdict } from '../src/index.js';
import { MAIL, mailReport } from './fixture.js';
import { asDataUrl, GRID, imageReport, imageResult, PICTURE, SCORES } from './image-fixture.js';

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
    writeFileSync(join(folder, 'images.html'), explanationReport(imageReport([imageResult(), imageResult(1)])));
    writeFileSync(
      join(folder, 'layers.html'),
      layerAnimation({ picture: PICTURE, grid: GRID, layers: [SCORES, SCORES, SCORES], signed: true }),
    );
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

  test.each([1280, 400])(
    'a page of images at %i pixels: maps are drawn, nothing sticks out, nothing is loaded or complained of',
    async (width) => {
      const page = await browser.newPage({ viewport: { width, height: 900 } });
      const requests: string[] = [];
      const complaints: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      page.on('console', (message) => complaints.push(message.text()));
      const images = pathToFileURL(join(folder, 'images.html')).href;
      await page.goto(images);
      expect(await page.locator('.card').count()).toBe(4);
      const card = page.locator('.card').first();
      for (const part of ['.view-0 .overlay svg', '.words', '.crop', '.verdict', '.check-chart', '.certificate'])
        expect(await card.locator(part).first().isVisible()).toBe(true);
      await card.getByText('Smoothed').click();
      expect(await card.locator('.view-1 .overlay svg').isVisible()).toBe(true);
      expect(await card.locator('.view-0').isVisible()).toBe(false);
      await page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
      expect(await card.locator('.layers svg').last().isVisible()).toBe(true);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([images]);
      expect(complaints).toEqual([]);
      await page.close();
    },
  );

  test('an animation plays, pauses, and follows its slider and the arrow keys', async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    await page.goto(pathToFileURL(join(folder, 'layers.html')).href);
    await page.getByText('layer 1').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    const slider = page.getByRole('slider', { name: 'Layer' });
    await slider.focus();
    await page.keyboard.press('End');
    expect(await page.locator('.name').innerText()).toBe('layer 2');
    await page.keyboard.press('ArrowLeft');
    expect(await slider.getAttribute('aria-valuetext')).toBe('layer 1');
    expect(await page.locator('.frame.shown').count()).toBe(1);
    expect(await page.getByRole('button').innerText()).toBe('Play');
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('an animation stands still where less motion is asked for, until it is told to play', async () => {
    const page = await browser.newPage({ reducedMotion: 'reduce' });
    await page.goto(pathToFileURL(join(folder, 'layers.html')).href);
    await page.waitForTimeout(1200);
    expect(await page.locator('.name').innerText()).toBe('layer 0');
    await page.getByRole('button', { name: 'Play' }).click();
    await page.getByText('layer 1').waitFor();
    await page.close();
  });

  test('the browser reads the PNG of an overlay', async () => {
    const page = await browser.newPage();
    const png = asDataUrl(overlayPng({ picture: PICTURE, grid: GRID, scores: SCORES, signed: true, width: 60 }));
    await page.setContent(`<img src="${png}">`);
    expect(await page.evaluate('[document.images[0].naturalWidth, document.images[0].naturalHeight]')).toEqual([60, 40]);
    await page.close();
  });
});
