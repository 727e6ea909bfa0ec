// Light and dark: as the system says, or as the button was left.

function theme() {
  const order = ["system", "light", "dark"];
  const button = byName("theme");
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
    redrawAll();
  };
  let kept = null;
  try {
    kept = localStorage.getItem("ridgeline-theme");
  } catch {
    /* storage may be off for files */
  }
  if (order.includes(kept)) set(kept);
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    set(next);
    try {
      localStorage.setItem("ridgeline-theme", next);
    } catch {
      /* the choice then lasts for this page */
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
}
