"""Quality control: measures of a delivery, limits on them, and the page that shows both."""
