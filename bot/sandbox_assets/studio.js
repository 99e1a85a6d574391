// The key to a page is in the address only, so the links to the other channels take it from there.
for (const link of document.querySelectorAll("#studio-channels a")) link.hash = location.hash;

// Like Discord, stay at the newest message, whatever grows, unless the visitor has scrolled up.
const timeline = document.getElementById("channel-timeline");
const newer = document.getElementById("new-messages");
let following = true;
const follow = () => following && (timeline.scrollTop = timeline.scrollHeight);
timeline.addEventListener("wheel", () => setTimeout(() => {
  following = timeline.scrollHeight - timeline.scrollTop - timeline.clientHeight < 80;
}, 100), { passive: true });
new ResizeObserver(follow).observe(document.getElementById("channel-message-list"));
new ResizeObserver(follow).observe(timeline);
new MutationObserver(() => newer.hidden || (newer.click(), following = true, follow()))
  .observe(newer, { attributeFilter: ["hidden"] });
