// Says that a file is too large before it is sent. Without it the server says so.
"use strict";

const file = document.getElementById("file");
file.addEventListener("change", () => {
  const limit = Number(file.dataset.maxBytes);
  const size = file.files.length ? file.files[0].size : 0;
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  file.setCustomValidity(
    size > limit ? `This file has ${megabytes(size)}; the limit is ${megabytes(limit)}.` : "",
  );
  file.reportValidity();
});
