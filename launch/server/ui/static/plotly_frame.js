// @ts-check
/**
 * Inside the frame of one figure: Plotly draws what the page was given. No module: a frame without an origin may not
 * load any.
 */

const place = /** @type {HTMLElement} */ (document.getElementById("figure"));
const figure = JSON.parse(place.dataset.given ?? "{}");
/** @type {any} */ (window).Plotly.newPlot(place, figure.data ?? [], figure.layout ?? {}, { responsive: true, displaylogo: false });
