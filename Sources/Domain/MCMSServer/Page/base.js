// Where the server's addresses begin: `/`, or the path under which a proxy shows it. The page's files lie one step below.
const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

export const at = (path) => root + path;
