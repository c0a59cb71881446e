// Draws each chart from the JSON beside it, and fits them all to the paper before printing.
"use strict";
(() => {
  const charts = Array.from(document.querySelectorAll(".chart"));
  const options = {responsive: true, displaylogo: false, displayModeBar: false};
  const template = JSON.parse(document.getElementById("template").textContent);
  const paperWidth = 660;

  const drawn = charts.map((chart) => {
    const figure = JSON.parse(chart.nextElementSibling.textContent);
    figure.layout.template = template;
    return Plotly.newPlot(chart, figure.data, figure.layout, options);
  });
  Promise.all(drawn).then(() => { document.documentElement.dataset.charts = "drawn"; });

  const resize = (width) => charts.forEach((chart) =>
    Plotly.relayout(chart, width ? {width: width, autosize: false} : {width: null, autosize: true}));
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = Array.from(document.querySelectorAll("details:not([open])"));
    folded.forEach((details) => { details.open = true; });
    resize(paperWidth);
  });
  addEventListener("afterprint", () => {
    folded.forEach((details) => { details.open = false; });
    resize(0);
  });

  if (matchMedia("(max-width: 1099px)").matches) document.getElementById("contents").open = false;
})();
