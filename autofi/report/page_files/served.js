"use strict";
// Says when the server has more to show of the study than this page does; what is looked at is left as it is.
(() => {
  const ASK_MS = 5000;
  const changed = document.querySelector(".changed");

  const ask = async () => {
    if (!document.hidden) {
      const answer = await fetch(location.pathname, {method: "HEAD", cache: "no-store"}).catch(() => null);
      const tag = answer?.ok && answer.headers.get("ETag");
      if (tag && tag !== `"${changed.dataset.tag}"`) changed.hidden = false;
    }
    if (changed.hidden) setTimeout(ask, ASK_MS);
  };

  changed.querySelector("a").addEventListener("click", (event) => {
    event.preventDefault();
    location.reload();
  });
  setTimeout(ask, ASK_MS);
})();
