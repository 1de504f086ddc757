"""Lightning callbacks of trainings on several tasks."""
