"use strict";

const page = document.currentScript.dataset;

window.addEventListener("DOMContentLoaded", () => {
  window.ui = SwaggerUIBundle({
    url: page.openapi,
    dom_id: "#swagger-ui",
    deepLinking: true,
    layout: "BaseLayout",
    presets: [SwaggerUIBundle.presets.apis],
    showExtensions: true,
    showCommonExtensions: true,
    validatorUrl: null,
  });
});
